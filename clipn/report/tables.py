"""Tidy tables over runs, in percent, from the metrics of single runs."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from clipn.errors import ClipnError
from clipn.report.wide import layout, to_latex, to_markdown
from clipn.report.words import AVERAGE, fixed

Row = dict[str, Any]

_RUN = ("study", "backbone", "variant", "seed", "prompts", "convention")

_OOD_KEYS = ("study", "id", "backbone", "variant", "prompts", "convention", "ood_version", "method", "ood")
_OOD_COLUMNS = "study,id,ood,ood_version,backbone,variant,prompts,method,auroc,auroc_sd,fpr95,fpr95_sd,runs,convention"
_ACCURACY_KEYS = ("study", "id", "backbone", "variant", "prompts", "images")
_ACCURACY_COLUMNS = "study,id,backbone,variant,prompts,top1,top1_sd,images,runs"
_DECISION_KEYS = ("study", "id", "backbone", "variant", "prompts", "ood_version", "rule", "ood")
_DECISION_COLUMNS = (
    "study,id,ood,ood_version,backbone,variant,prompts,rule,id_accepted,id_accepted_sd,"
    "ood_rejected,ood_rejected_sd,balanced_accuracy,balanced_accuracy_sd,runs"
)


def ood_table(runs: Sequence[Mapping[str, Any]], id_dataset: str) -> pd.DataFrame:
    """AUROC (higher is better) and FPR95 (lower is better) against each OOD set of one ID dataset.

    Args:
        runs: parsed metrics files, one per run, fractions in [0, 1].
        id_dataset: identifier of the ID dataset; without records of it the table has no rows.

    Returns:
        One row per (backbone, variant, method, image list, OOD set), percent, mean and sample standard deviation
        over runs (NaN for one run). The row `average` is the mean over OOD sets, its deviation that of the
        per-run averages; an image list that some OOD sets lack has none. Rows follow first appearance in `runs`,
        `average` last.

    Raises:
        ClipnError: a run misses a key or is given twice, or runs differ in their OOD sets.
    """
    rows = [row for row in _collect(runs, "ood") if row["id"] == id_dataset]
    return _table(rows + _averages(rows), _OOD_KEYS, ("auroc", "fpr95"), _OOD_COLUMNS)


def id_accuracy_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Top-1 accuracy on the ID datasets, percent, one row per (ID dataset, backbone).

    The "yes" tower is frozen, so all variants of a backbone share it: variant `none` speaks for them, or the
    first one where `none` is absent. Errors as for `ood_table`.
    """
    rows = _collect(runs, "id_accuracy")
    chosen = [row for group in _grouped(rows, ("study", "id", "backbone")).values() for row in _frozen(group)]
    return _table(chosen, _ACCURACY_KEYS, ("top1",), _ACCURACY_COLUMNS)


def decisions_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Share of ID accepted, of OOD rejected, and their mean, for the rules that need no threshold.

    Percent, higher is better, mean and sample standard deviation over runs. Errors as for `ood_table`.
    """
    measures = ("id_accepted", "ood_rejected", "balanced_accuracy")
    return _table(_collect(runs, "decisions"), _DECISION_KEYS, measures, _DECISION_COLUMNS)


def wide(table: pd.DataFrame, titles: Mapping[str, str] | None = None) -> str:
    """Markdown twin of `ood_table`: methods down, OOD sets across, AUROC / FPR95, best in bold.

    Args:
        table: one study and one ID dataset, from `ood_table`.
        titles: printed names of datasets; an identifier without one stays as it is.

    Raises:
        ClipnError: the table mixes studies, ID datasets or conventions.
    """
    return to_markdown(layout(table, titles))


def latex(table: pd.DataFrame, titles: Mapping[str, str] | None = None) -> str:
    """LaTeX twin of `ood_table` (needs the package booktabs); arguments and errors as for `wide`."""
    return to_latex(layout(table, titles))


def to_csv(table: pd.DataFrame) -> str:
    """CSV text with LF line ends; measures with two decimals, empty where there is no value."""
    written = table.copy()
    for column in table.select_dtypes("float").columns:
        written[column] = table[column].map(fixed).astype(object)
    return written.to_csv(index=False, lineterminator="\n")


def _collect(runs: Sequence[Mapping[str, Any]], part: str) -> list[Row]:
    """Records of one part of the metrics, each with the keys of its run."""
    for run in runs:
        missing = [key for key in (*_RUN, part) if key not in run]
        if missing:
            name = "/".join(str(run.get(key, "?")) for key in ("study", "backbone", "variant", "seed"))
            raise ClipnError(f"metrics of run {name}: no key {missing[0]!r}; evaluate this run again")
    return [{key: run[key] for key in _RUN} | record for run in runs for record in run[part]]


def _grouped(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def _averages(rows: list[Row]) -> list[Row]:
    """One row per run and method: the mean over its OOD sets."""
    block = _OOD_KEYS[:-1]
    for group in _grouped(rows, block).values():
        sets = {frozenset(row["ood"] for row in run) for run in _grouped(group, ("seed",)).values()}
        if len(sets) > 1:
            raise ClipnError(f"metrics of {_name(group[0])}: seeds differ in their OOD sets; evaluate all again")
    every = {row["ood"] for row in rows}
    return [
        run[0] | {"ood": AVERAGE} | {measure: _mean(run, measure) for measure in ("auroc", "fpr95")}
        for run in _grouped(rows, (*block, "seed")).values()
        if {row["ood"] for row in run} == every
    ]


def _frozen(rows: list[Row]) -> list[Row]:
    variants = [row["variant"] for row in rows]
    chosen = "none" if "none" in variants else variants[0]
    return [row for row in rows if row["variant"] == chosen]


def _table(rows: list[Row], keys: Sequence[str], measures: Sequence[str], columns: str) -> pd.DataFrame:
    """Summaries per distinct `keys`, nested: within each prefix of the keys in order of first appearance."""
    groups = _grouped(rows, keys)
    lengths = range(1, len(keys) + 1)
    first: dict[tuple[Any, ...], int] = {}
    for place, group in enumerate(groups):
        for length in lengths:
            first.setdefault(group[:length], place)
    ordered = sorted(groups, key=lambda group: [first[group[:length]] for length in lengths])
    summaries = [dict(zip(keys, group, strict=True)) | _summary(groups[group], measures) for group in ordered]
    table = pd.DataFrame(summaries, columns=columns.split(","))
    return table.astype({name: float for measure in measures for name in (measure, f"{measure}_sd")})


def _summary(rows: list[Row], measures: Sequence[str]) -> Row:
    seeds = {row["seed"] for row in rows}
    if len(seeds) < len(rows):
        raise ClipnError(f"metrics of {_name(rows[0])}: a seed occurs twice; pass each run once")
    summary: Row = {"runs": len(rows)}
    for measure in measures:
        summary[measure] = 100 * _mean(rows, measure)
        values = [row[measure] for row in rows]
        summary[f"{measure}_sd"] = 100 * statistics.stdev(values) if len(values) > 1 else None
    return summary


def _mean(rows: list[Row], measure: str) -> float:
    """Correctly rounded, so it does not depend on the order of rows."""
    return statistics.fmean(row[measure] for row in rows)


def _name(row: Row) -> str:
    return f"{row['study']}/{row['backbone']}/{row['variant']} on {row['id']}"
