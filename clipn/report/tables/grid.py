"""Tables of text as Markdown and as LaTeX."""

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
class Grid:
    """A title, how to read it, a header and lines; the first `labels` columns hold text, the others numbers."""

    title: str
    note: str
    header: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    labels: int


def to_markdown(grid: Grid) -> str:
    """Title, note and pipe table."""
    parts = [f"**{grid.title}**", grid.note]
    if grid.lines:
        header = [_markdown(name, False) for name in grid.header]
        rule = ["---"] * grid.labels + ["---:"] * (len(grid.header) - grid.labels)
        lines = [[_joined(cell, _markdown) for cell in line] for line in grid.lines]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *lines)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(grid: Grid) -> str:
    """`tabular` with booktabs rules; title and note as comments above it."""
    text = [f"% {part}" for part in (grid.title, grid.note) if part]
    if grid.lines:
        header = [_latex(name, False) for name in grid.header]
        lines = [[_joined(cell, _latex) for cell in line] for line in grid.lines]
        rows = [f"{' & '.join(row)} \\\\" for row in (header, *lines)]
        text.append(f"\\begin{{tabular}}{{{'l' * grid.labels}{'r' * (len(grid.header) - grid.labels)}}}")
        text += [r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}"]
    return "\n".join(text) + "\n"


def _joined(cell: Cell, style: Callable[[str, bool], str]) -> str:
    return " / ".join(style(text, bold) for text, bold in cell.parts)


def _markdown(text: str, bold: bool) -> str:
    escaped = text.replace("|", r"\|")
    return f"**{escaped}**" if bold else escaped


def _latex(text: str, bold: bool) -> str:
    escaped = text.translate(_LATEX)
    return f"\\textbf{{{escaped}}}" if bold else escaped
