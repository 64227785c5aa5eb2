for (const heading of document.querySelectorAll(".sortable thead th[scope=col]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sortBy(heading));
  heading.append(button);
}

function sortBy(heading) {
  const table = heading.closest("table"), isNumber = heading.classList.contains("number");
  // In the second of two lines of headings, a cell's place is not that of its column.
  const column = Number(heading.dataset.column ?? heading.cellIndex);
  const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const valueOf = (row) => {
    const text = row.cells[column].textContent.trim();
    return isNumber ? parseFloat(text.replace("[", "")) : text;
  };
  const compare = (one, other) => {
    if (!isNumber) return sign * one.localeCompare(other, "en", { numeric: true });
    // What is unknown comes last, whatever the direction.
    return Number.isNaN(one) - Number.isNaN(other) || sign * (one - other);
  };
  const rows = [...table.tBodies[0].rows].sort((one, other) => compare(valueOf(one), valueOf(other)));
  table.tBodies[0].append(...rows);
  for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
}
