"""How the rows of a study are arranged for reading: deviations and intervals beside the means, and the best in bold."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from clipn.adaptation import ADAPTIVE
from clipn.errors import ClipnError
from clipn.metrics import CONVENTION
from clipn.report.formatting import (
    AVERAGE,
    HEADINGS,
    MISSING,
    convention_sentence,
    dataset_title,
    fixed,
    is_average,
    label,
    method_title,
    signed,
    spread,
)
from clipn.report.tables.intervals import COMPARED
from clipn.report.tables.printed import Cell, PrintedTable, cell
from clipn.scores import FITTED

Titles = Mapping[str, str]
"""Printed names of datasets; an identifier without one stays as it is."""


def printed_ood(table: pd.DataFrame, titles: Titles | None = None) -> PrintedTable:
    """A table of `clipn.report.tables.ood.ood_table`: methods down, OOD sets across, averages first.

    Labels that never vary (prompts, image list) are left out.

    Raises:
        ClipnError: the table mixes studies, ID datasets or conventions.
    """
    if table.empty:
        return PrintedTable("OOD detection", "No results for this ID dataset in this study.")
    for column in ("study", "id", "convention"):
        if table[column].nunique() > 1:
            mixed = ", ".join(table[column].unique())
            raise ClipnError(f"printed table: column {column!r} mixes {mixed}; make one table for each")
    titles = titles or {}
    labels = ["method", "backbone", "variant", *_varying(table, "prompts", "ood_version"), "runs"]
    # Averages first, that over all sets before the others: a narrow window cuts what comes last.
    order = sorted(table["ood"], key=lambda ood: (ood != AVERAGE, not is_average(ood)))
    ood_datasets = list(dict.fromkeys(order))
    # Best is what prints best: a hidden third decimal would leave one of two equal numbers without its bold.
    printed = table[["auroc", "fpr95"]].map(lambda value: float(fixed(value)))
    # Image lists compete apart: a method is no better for having been measured on an easier list.
    rivals = printed.groupby([table["ood_version"], table["ood"]])
    marked = table.assign(
        best_auroc=printed["auroc"] == rivals["auroc"].transform("max"),
        best_fpr95=printed["fpr95"] == rivals["fpr95"].transform("min"),
    )
    study, id_dataset, convention = (str(table[column].iloc[0]) for column in ("study", "id", "convention"))
    return PrintedTable(
        f"OOD detection, ID: {titles.get(id_dataset, id_dataset)}, study: {study}",
        "AUROC (higher is better) / FPR95 (lower is better) in percent, mean ± sample SD over runs. "
        f"{convention_sentence(convention)} Bold: best of the column.",
        _headings(labels),
        tuple(dataset_title(ood, titles) for ood in ood_datasets),
        tuple(_ood_line(group, labels, ood_datasets) for _, group in marked.groupby(labels, sort=False)),
    )


def _ood_line(group: pd.DataFrame, labels: Sequence[str], ood_datasets: Sequence[str]) -> tuple[Cell, ...]:
    """Labels and (AUROC, FPR95) of a method; its name is bold where its average AUROC is the best."""
    rows = {row["ood"]: row for row in group.to_dict("records")}
    first = next(iter(rows.values()))
    best = AVERAGE in rows and rows[AVERAGE]["best_auroc"]
    names = [cell(label(key, first[key], {}), bold=best and key == "method") for key in labels]
    numbers = [
        Cell(tuple((spread(row[key], row[f"{key}_sd"]), row[f"best_{key}"]) for key in ("auroc", "fpr95")))
        if (row := rows.get(ood))
        else cell(MISSING)
        for ood in ood_datasets
    ]
    return (*names, *numbers)


def fitted_kinds(table: pd.DataFrame) -> str:
    """How the variants of a table are called that were fitted on training images, e.g. `gda-…`; empty without any."""
    return ", ".join(f"{prefix}…" for prefix in FITTED if table["variant"].str.startswith(prefix).any())


def printed_accuracy(table: pd.DataFrame, study: str, titles: Titles) -> PrintedTable:
    """ID top-1 accuracy and calibration."""
    fitted = fitted_kinds(table)
    added = f", or with the logits of a fitted classifier ({fitted})" if fitted else ""
    return _rowwise(
        table,
        f"ID accuracy, study: {study}",
        f"Top-1 accuracy on the ID images, by the prompt ensemble of the frozen “yes” tower{added}, and what its "
        "probabilities at the study's logit scale are worth: expected calibration error (15 bins of equal width), "
        "Brier score (sum over classes), both in percent as Top-1, negative log-likelihood in nats, and the "
        "temperature that these very images would want, which is a diagnosis and no result.",
        ["id", "backbone", *_varying(table, "variant"), "prompts"],
        {"Top-1": "top1", "ECE": "ece", "Brier": "brier", "NLL": "nll", "Temperature": "temperature"},
        titles,
    )


def printed_decisions(table: pd.DataFrame, study: str, titles: Titles) -> PrintedTable:
    """Decisions without a threshold; variants in columns of labels, a single ID dataset in the title, too."""
    best: Iterable[bool] = ()
    if len(table):
        printed = table["balanced_accuracy"].map(lambda value: float(fixed(value)))
        best = printed == printed.groupby([table[key] for key in ("id", "ood", "ood_version")]).transform("max")
    id_titles = [f"ID: {titles.get(name, name)}" for name in table["id"].unique()]
    title = ["Threshold-free decisions", *(id_titles if len(id_titles) == 1 else []), f"study: {study}"]
    return _rowwise(
        table,
        ", ".join(title),
        "Share of ID images accepted, of OOD images rejected, and their mean, in percent, mean ± sample SD over runs. "
        "Bold: best balance against an OOD set.",
        ["id", "ood", "rule", "backbone", "variant", *_varying(table, "prompts", "ood_version")],
        {"ID accepted": "id_accepted", "OOD rejected": "ood_rejected", "Balanced accuracy": "balanced_accuracy"},
        titles,
        best,
    )


def printed_differences(table: pd.DataFrame, study: str, titles: Titles) -> PrintedTable:
    """Paired differences, AUROC and FPR95 side by side; a sentence where there are none."""
    title = f"Paired differences, study: {study}"
    if table.empty:
        return PrintedTable(title, "Nothing to compare: this study has no resamples, no run, or one method alone.")
    labels = ["id", "ood", "method", "backbone", "variant", *_varying(table, "prompts")]
    measured = ("measure", "difference", "low", "high")
    lines = []
    for _, group in table.groupby([key for key in table.columns if key not in measured], sort=False):
        by_measure = {row["measure"]: row for row in group.to_dict("records")}
        first = next(iter(by_measure.values()))
        reference = f"{method_title(first['reference'])}, {first['reference_variant']}"
        line = [cell(text) for text in (*(label(key, first[key], titles) for key in labels), reference)]
        for measure in COMPARED:
            # FPR95 is compared in the convention `clipn` alone, and metrics may come without it.
            if measure not in by_measure:
                line.append(cell(MISSING))
                continue
            value, low, high = (signed(by_measure[measure][key]) for key in ("difference", "low", "high"))
            # The printed bounds decide, so that no bold interval reads [+0.00, ...].
            line.append(cell(f"{value} [{low}, {high}]", bold=float(low) > 0 or float(high) < 0))
        lines.append(tuple(line))
    return PrintedTable(
        title,
        "Percentage points and 95 % bootstrap interval over images, both methods on the same resamples. "
        "Bold: the interval leaves out 0.",
        (*_headings(labels), "Compared with"),
        ("AUROC", "FPR95"),
        tuple(lines),
    )


def printed_ablations(table: pd.DataFrame, study: str, titles: Titles) -> PrintedTable:
    """Averages over OOD sets by the one setting that differs."""
    return _rowwise(
        table,
        f"Ablations, study: {study}",
        f"Average over OOD sets in percent, mean ± sample SD over runs. {convention_sentence(CONVENTION)}",
        ["id", "setting", "value", "backbone", "method", "runs"],
        {"AUROC": "auroc", "FPR95": "fpr95"},
        titles,
    )


def printed_streams(table: pd.DataFrame, study: str, titles: Titles) -> PrintedTable:
    """Methods that adapt on the test stream, a line per stream; a sentence where there are none."""
    title = f"Methods that adapt on the test stream, study: {study}"
    if table.empty:
        return PrintedTable(title, "No method of this study adapts on the test stream.")
    return _rowwise(
        table.assign(method=table["method"].map(lambda method: ADAPTIVE[method].label)),
        title,
        "AUROC (higher is better) and FPR95 (lower is better) in percent, mean ± sample SD over runs; lines of all "
        f"orders count each as a run. {convention_sentence(CONVENTION)} These methods see the ID and OOD images of a "
        "pair together and adapt on them: figures depend on order, batch and mix, and compare with no zero-shot score.",
        ["id", "ood", "method", "backbone", "order_seed", "batch", "mix", "runs"],
        {"AUROC": "auroc", "FPR95": "fpr95"},
        titles,
    )


def _rowwise(
    table: pd.DataFrame,
    title: str,
    note: str,
    labels: Sequence[str],
    measures: Mapping[str, str],
    titles: Titles,
    best: Iterable[bool] = (),
) -> PrintedTable:
    """One line per row, the numbers of the rows that are `best` in bold; `measures` maps headings to columns."""
    bold = list(best) or [False] * len(table)
    lines = [
        (
            *(cell(label(key, row[key], titles)) for key in labels),
            *(cell(spread(row[name], row[f"{name}_sd"]), bold=strong) for name in measures.values()),
        )
        for row, strong in zip(table.to_dict("records"), bold, strict=True)
    ]
    return PrintedTable(title, note, _headings(labels), tuple(measures), tuple(lines))


def _varying(table: pd.DataFrame, *columns: str) -> list[str]:
    """Columns with more than one value; the others would tell nothing."""
    return [column for column in columns if table[column].nunique() > 1]


def _headings(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(HEADINGS[column] for column in columns)
