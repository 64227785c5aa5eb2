"""The model of a table for reading, and its Markdown and LaTeX; its HTML is in `clipn.report.page`."""

from collections.abc import Callable
from dataclasses import dataclass

from clipn.report.escaping import latex, markdown, one_line


@dataclass(frozen=True)
class Cell:
    """One printed text, in several parts of which each may be in bold, joined by ` / `."""

    parts: tuple[tuple[str, bool], ...]


def cell(*texts: str, bold: bool = False) -> Cell:
    """A cell whose parts are all bold or all plain."""
    return Cell(tuple((text, bold) for text in texts))


@dataclass(frozen=True)
class PrintedTable:
    """A table for reading; without lines it is its title and note.

    Attributes:
        title: what it shows.
        note: how to read it; may be empty.
        labels: headings of the columns of text, which come first.
        columns: headings of the columns of numbers.
        lines: one cell for each of `labels` and `columns`.
    """

    title: str
    note: str = ""
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    lines: tuple[tuple[Cell, ...], ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """Headings of all columns."""
        return (*self.labels, *self.columns)


def to_markdown(table: PrintedTable) -> str:
    """Title, note and pipe table."""
    parts = [f"**{markdown(table.title)}**", markdown(table.note)]
    if table.lines:
        header = list(map(markdown, table.header))
        rule = ["---"] * len(table.labels) + ["---:"] * len(table.columns)
        lines = [[_joined(cell, markdown, "**{}**") for cell in line] for line in table.lines]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *lines)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(table: PrintedTable) -> str:
    """`tabular` with booktabs rules; title and note as comments above it."""
    # Comments, as a caption would need a float, and where that belongs is for the paper to say that inputs the file.
    text = [f"% {one_line(part)}" for part in (table.title, table.note) if part]
    if table.lines:
        header = list(map(latex, table.header))
        lines = [[_joined(cell, latex, r"\textbf{{{}}}") for cell in line] for line in table.lines]
        rows = [f"{' & '.join(row)} \\\\" for row in (header, *lines)]
        text.append(f"\\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * len(table.columns)}}}")
        text += [r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}"]
    return "\n".join(text) + "\n"


def _joined(cell: Cell, escape: Callable[[str], str], strong: str) -> str:
    return " / ".join(strong.format(escape(text)) if bold else escape(text) for text, bold in cell.parts)
