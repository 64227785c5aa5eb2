"""What the page does in a browser: it sorts, opens what a link leads to, and opens all for printing."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from clipn.report.page.html import page
from clipn.report.tables.layouts import printed_ood
from clipn.report.tables.ood import ood_table
from tests.helpers.report_runs import BASELINE, SEEDS
from tests.report.test_html import CONTEXT

CHROMIUM = shutil.which("chromium")
TABLE = printed_ood(ood_table([BASELINE, *SEEDS], "cifar10"))
CLICKS = """
<script>
addEventListener("load", async () => {
  const table = document.querySelector("#ood table"), seen = [];
  const named = (name) => [...table.querySelectorAll("th")].filter((cell) => cell.innerText === name);
  for (const [name, number, column] of [["AUROC", 0, 4], ["AUROC", 0, 4], ["FPR95", 2, 9], ["Method", 0, 0]]) {
    const heading = named(name)[number];
    heading.querySelector("button").click();
    const cells = [...table.tBodies[0].rows].map((row) => row.cells[column].firstChild.textContent.trim());
    seen.push([heading.ariaSort, table.querySelectorAll("[aria-sort]").length, ...cells]);
  }
  const link = table.querySelector("tbody a");
  location.hash = link.getAttribute("href");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const folds = [...document.querySelectorAll("details")];
  seen.push(folds.filter((fold) => fold.open).map((fold) => fold.querySelector("summary").innerText));
  dispatchEvent(new Event("beforeprint"));
  seen.push(folds.every((fold) => fold.open));
  document.body.dataset.seen = JSON.stringify(seen);
});
</script>
</body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_sorts_leads_to_traces_and_opens_for_printing(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(replace(CONTEXT, ood={"cifar10": TABLE})).replace("</body>", CLICKS))
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000"]
    command = [CHROMIUM or "", *switches, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "CONSOLE" not in done.stderr
    (seen,) = re.findall(r'data-seen="([^"]*)"', done.stdout)
    assert json.loads(seen.replace("&quot;", '"')) == [
        ["ascending", 1, "80.00", "86.00"],
        ["descending", 1, "86.00", "80.00"],
        ["ascending", 1, "40.00", "40.00"],
        ["ascending", 1, "CLIPN-CTW", "MSP"],
        ["tiny, learnable"],
        True,
    ]
