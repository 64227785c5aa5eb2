"""Tables for reading: deviations and intervals beside the means, and the best in bold."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from clipn.metrics import CONVENTION
from clipn.report.formatting import (
    AVERAGE,
    MISSING,
    convention_sentence,
    fixed,
    method_title,
    setting_title,
    signed,
    spread,
)
from clipn.report.tables.grid import Cell, Grid, cell
from clipn.report.tables.intervals import COMPARED

Row = Mapping[Any, Any]


def accuracy_grid(table: pd.DataFrame, study: str, titles: Mapping[str, str]) -> Grid:
    """ID top-1 accuracy."""
    labels = {
        "ID": _titled("id", titles),
        "Backbone": _of("backbone"),
        "Prompts": _of("prompts"),
    }
    return _grid(
        table,
        f"ID accuracy, study: {study}",
        "Top-1 accuracy in percent on the ID images, by the prompt ensemble of the frozen “yes” tower.",
        labels,
        {"Top-1": "top1"},
    )


def decisions_grid(table: pd.DataFrame, study: str, titles: Mapping[str, str]) -> Grid:
    """Decisions without a threshold; variants in columns of labels, a single ID dataset in the title, too."""
    labels = {
        "ID": _titled("id", titles),
        "OOD": _titled("ood", titles),
        "Rule": lambda row: method_title(row["rule"]),
        **_run_labels(table),
    }
    if table["ood_version"].nunique() > 1:
        labels["Image list"] = _of("ood_version")
    measures = {"ID accepted": "id_accepted", "OOD rejected": "ood_rejected", "Balanced accuracy": "balanced_accuracy"}
    known = [f"ID: {titles.get(name, name)}" for name in table["id"].unique()]
    title = ["Threshold-free decisions", *(known if len(known) == 1 else []), f"study: {study}"]
    return _grid(
        table,
        ", ".join(title),
        "Share of ID images accepted, of OOD images rejected, and their mean, in percent, mean ± sample SD over runs. "
        "Bold: best balance against an OOD set.",
        labels,
        measures,
        best=("balanced_accuracy", ["id", "ood", "ood_version"]),
    )


def differences_grid(table: pd.DataFrame, study: str, titles: Mapping[str, str]) -> Grid:
    """Paired differences, AUROC and FPR95 side by side; a sentence where there are none."""
    title = f"Paired differences, study: {study}"
    if table.empty:
        return Grid(title, "Nothing to compare: this study has no resamples, or no other method.", (), (), 0)
    keys = [key for key in table.columns if key not in ("measure", "difference", "low", "high")]
    pairs = [
        (group.to_dict("records")[0], {row["measure"]: row for row in group.to_dict("records")})
        for _, group in table.groupby(keys, sort=False)
    ]
    labels: dict[str, Callable[[Row], str]] = {
        "ID": _titled("id", titles),
        "OOD": _titled("ood", titles),
        "Method": lambda row: method_title(row["method"]),
        **_run_labels(table),
        "Compared with": lambda row: f"{method_title(row['reference'])}, {row['reference_variant']}",
    }
    lines = [
        (*(cell(label(row)) for label in labels.values()), *(_difference(by_measure.get(key)) for key in COMPARED))
        for row, by_measure in pairs
    ]
    return Grid(
        title,
        "Percentage points and 95 % bootstrap interval over images, both methods on the same resamples. "
        "Bold: the interval leaves out 0.",
        (*labels, "AUROC", "FPR95"),
        tuple(lines),
        len(labels),
    )


def ablations_grid(table: pd.DataFrame, study: str, titles: Mapping[str, str]) -> Grid:
    """Averages over OOD sets by the one setting that differs."""
    labels = {
        "ID": _titled("id", titles),
        "Setting": lambda row: setting_title(row["setting"]),
        "Value": _of("value"),
        "Backbone": _of("backbone"),
        "Method": lambda row: method_title(row["method"]),
        "Runs": lambda row: str(row["runs"]),
    }
    return _grid(
        table,
        f"Ablations, study: {study}",
        f"Average over OOD sets in percent, mean ± sample SD over runs. {convention_sentence(CONVENTION)}",
        labels,
        {"AUROC": "auroc", "FPR95": "fpr95"},
    )


def _grid(
    table: pd.DataFrame,
    title: str,
    note: str,
    labels: Mapping[str, Callable[[Row], str]],
    measures: Mapping[str, str],
    best: tuple[str, Sequence[str]] | None = None,
) -> Grid:
    """One line per row; the row with the highest `best` measure within the keys of `best` in bold."""
    marked = pd.Series(False, index=table.index)
    if best and len(table):
        measure, within = best
        printed = table[measure].map(lambda value: float(fixed(value)))
        marked = printed == printed.groupby([table[key] for key in within]).transform("max")
    lines = [
        (
            *(cell(label(row)) for label in labels.values()),
            *(cell(spread(row[name], row[f"{name}_sd"]), bold=bold) for name in measures.values()),
        )
        for row, bold in zip(table.to_dict("records"), marked, strict=True)
    ]
    return Grid(title, note, (*labels, *measures), tuple(lines), len(labels))


def _run_labels(table: pd.DataFrame) -> dict[str, Callable[[Row], str]]:
    """Backbone and variant; prompts where they vary."""
    labels = {"Backbone": _of("backbone"), "Variant": _of("variant")}
    return labels | ({"Prompts": _of("prompts")} if table["prompts"].nunique() > 1 else {})


def _of(column: str) -> Callable[[Row], str]:
    return lambda row: str(row[column])


def _titled(column: str, titles: Mapping[str, str]) -> Callable[[Row], str]:
    return lambda row: "Average" if row[column] == AVERAGE else titles.get(row[column], row[column])


def _difference(row: Row | None) -> Cell:
    if row is None:
        return cell(MISSING)
    value, low, high = (signed(row[key]) for key in ("difference", "low", "high"))
    return cell(f"{value} [{low}, {high}]", bold=float(low) > 0 or float(high) < 0)
