"""The model of a table for reading, and its Markdown and LaTeX; its HTML is in `clipn.report.page`."""

from collections.abc import Callable
from dataclasses import dataclass

from clipn.report.formatting import MISSING

_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%#_${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
    | {"<": "$<$", ">": "$>$", "±": r"$\pm$", MISSING: "--", "“": "``", "”": "''"}
)
"""Signs that mean something else in LaTeX or need an encoding."""


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
    parts = [f"**{table.title}**", table.note]
    if table.lines:
        header = [_markdown(name, False) for name in table.header]
        rule = ["---"] * len(table.labels) + ["---:"] * len(table.columns)
        lines = [[_joined(cell, _markdown) for cell in line] for line in table.lines]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *lines)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(table: PrintedTable) -> str:
    """`tabular` with booktabs rules; title and note as comments above it."""
    # Comments, as a caption would need a float, and where that belongs is for the paper to say that inputs the file.
    text = [f"% {part}" for part in (table.title, table.note) if part]
    if table.lines:
        header = [_latex(name, False) for name in table.header]
        lines = [[_joined(cell, _latex) for cell in line] for line in table.lines]
        rows = [f"{' & '.join(row)} \\\\" for row in (header, *lines)]
        text.append(f"\\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * len(table.columns)}}}")
        text += [r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}"]
    return "\n".join(text) + "\n"


def _joined(cell: Cell, style: Callable[[str, bool], str]) -> str:
    return " / ".join(style(text, bold) for text, bold in cell.parts)


def _markdown(text: str, bold: bool) -> str:
    # A pipe ends a cell of a Markdown table even inside emphasis, so it is the one sign to escape.
    escaped = text.replace("|", r"\|")
    return f"**{escaped}**" if bold else escaped


def _latex(text: str, bold: bool) -> str:
    escaped = text.translate(_LATEX)
    return f"\\textbf{{{escaped}}}" if bold else escaped
