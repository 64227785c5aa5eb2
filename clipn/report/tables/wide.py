"""Wide form of an OOD table: methods down, OOD sets across."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from clipn.errors import ClipnError
from clipn.report.formatting import AVERAGE, MISSING, convention_sentence, fixed, method_title, spread
from clipn.report.tables.grid import Cell, Grid, cell

_ROW = ["method", "backbone", "variant", "prompts", "ood_version"]
_HEADINGS = {
    "method": "Method",
    "backbone": "Backbone",
    "variant": "Variant",
    "prompts": "Prompts",
    "ood_version": "Image list",
    "runs": "Runs",
}


@dataclass(frozen=True)
class Value:
    """One printed number, `mean ± SD` in percent, and whether it is the best of its column."""

    text: str
    best: bool


@dataclass(frozen=True)
class Line:
    """One method: its labels, (AUROC, FPR95) per OOD set, and whether its average AUROC is the best."""

    labels: tuple[str, ...]
    cells: tuple[tuple[Value, Value] | None, ...]
    best: bool


@dataclass(frozen=True)
class Wide:
    """Everything that the Markdown, LaTeX and HTML forms print."""

    title: str
    note: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def layout(table: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Wide:
    """Arrange a table from `clipn.report.tables.ood.ood_table`; a table without rows gives no lines.

    Labels that never vary (prompts, image list) are left out.

    Raises:
        ClipnError: the table mixes studies, ID datasets or conventions.
    """
    if table.empty:
        return Wide("OOD detection", "No results for this ID dataset in this study.", (), (), ())
    titles = titles or {}
    study, known, convention = (_only(table, column) for column in ("study", "id", "convention"))
    labels = [key for key in _ROW if key in _ROW[:3] or table[key].nunique() > 1] + ["runs"]
    sets = list(dict.fromkeys(sorted(table["ood"], key=lambda ood: bool(ood == AVERAGE))))
    return Wide(
        title=f"OOD detection, ID: {titles.get(known, known)}, study: {study}",
        note="AUROC (higher is better) / FPR95 (lower is better) in percent, mean ± sample SD over runs. "
        f"{convention_sentence(convention)} Bold: best of the column.",
        headings=tuple(_HEADINGS[key] for key in labels),
        columns=tuple("Average" if ood == AVERAGE else titles.get(ood, ood) for ood in sets),
        lines=_lines(table, labels, sets),
    )


def grid(wide: Wide) -> Grid:
    """The same as a table of text."""
    return Grid(
        wide.title,
        wide.note,
        (*wide.headings, *wide.columns),
        tuple((*_labels(line), *(_numbers(pair) for pair in line.cells)) for line in wide.lines),
        len(wide.headings),
    )


def _lines(table: pd.DataFrame, labels: list[str], sets: list[str]) -> tuple[Line, ...]:
    printed = table[["auroc", "fpr95"]].map(lambda value: float(fixed(value)))
    by_set = printed.groupby([table["ood_version"], table["ood"]])
    marked = table.assign(
        best_auroc=printed["auroc"] == by_set["auroc"].transform("max"),
        best_fpr95=printed["fpr95"] == by_set["fpr95"].transform("min"),
    )
    return tuple(_line(group, labels, sets) for _, group in marked.groupby(labels, sort=False))


def _line(group: pd.DataFrame, labels: list[str], sets: list[str]) -> Line:
    rows = {row["ood"]: row for row in group.to_dict("records")}
    pairs = {
        ood: (
            Value(spread(row["auroc"], row["auroc_sd"]), row["best_auroc"]),
            Value(spread(row["fpr95"], row["fpr95_sd"]), row["best_fpr95"]),
        )
        for ood, row in rows.items()
    }
    first = next(iter(rows.values()))
    return Line(
        labels=(method_title(first["method"]), *(str(first[key]) for key in labels[1:])),
        cells=tuple(pairs.get(ood) for ood in sets),
        best=AVERAGE in rows and rows[AVERAGE]["best_auroc"],
    )


def _only(table: pd.DataFrame, column: str) -> str:
    values = list(table[column].unique())
    if len(values) > 1:
        raise ClipnError(f"wide table: column {column!r} mixes {', '.join(values)}; make one table for each")
    return str(values[0])


def _labels(line: Line) -> tuple[Cell, ...]:
    return cell(line.labels[0], bold=line.best), *(cell(label) for label in line.labels[1:])


def _numbers(pair: tuple[Value, Value] | None) -> Cell:
    return Cell(tuple((value.text, value.best) for value in pair)) if pair else cell(MISSING)
