"""Tidy tables over runs, in percent, from the metrics of single runs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from clipn.report.escaping import csv_text
from clipn.report.formatting import AVERAGE, fixed, precise
from clipn.report.tables.aggregate import BLOCK, averages, collect, grouped, over_runs
from clipn.scores import FITTED, PLAIN_CLIP

_OOD_COLUMNS = "study,id,ood,ood_version,backbone,variant,prompts,method,auroc,auroc_sd,fpr95,fpr95_sd,runs,convention"
_ACCURACY_KEYS = ("study", "id", "backbone", "variant", "prompts", "images")
_ACCURACY_COLUMNS = (
    "study,id,backbone,variant,prompts,top1,top1_sd,images,runs,ece,ece_sd,nll,nll_sd,brier,brier_sd,"
    "temperature,temperature_sd"
)
_ACCURACY_MEASURES = ("top1", "ece", "brier", "nll", "temperature")
_DECISION_KEYS = ("study", "id", "backbone", "variant", "prompts", "ood_version", "rule", "ood")
_DECISION_COLUMNS = (
    "study,id,ood,ood_version,backbone,variant,prompts,rule,id_accepted,id_accepted_sd,"
    "ood_rejected,ood_rejected_sd,balanced_accuracy,balanced_accuracy_sd,runs"
)


def ood_table(
    runs: Sequence[Mapping[str, Any]], id_dataset: str, subsets: Mapping[str, Collection[str]] | None = None
) -> pd.DataFrame:
    """AUROC (higher is better) and FPR95 (lower is better) against each OOD set of one ID dataset.

    Args:
        runs: parsed metrics files, one per run, fractions in [0, 1].
        id_dataset: identifier of the ID dataset; without records of it the table has no rows.
        subsets: some of its OOD sets, by a name such as `near`, with an average of their own.

    Returns:
        One row per (backbone, variant, method, image list, OOD set), percent, mean and sample standard deviation
        over runs (NaN for one run). The row `average` is the mean over OOD sets, its deviation that of the
        per-run averages; an image list that some OOD sets lack has none; `average_<name>` is the same over a subset.
        Rows follow first appearance in `runs`, averages last.

    Raises:
        ClipnError: a run misses a key or is given twice, or runs differ in their OOD sets.
    """
    rows = [row for row in collect(runs, "ood") if row["id"] == id_dataset]
    measures = ("auroc", "fpr95")
    averaged = [
        row
        for name, ood_datasets in (subsets or {}).items()
        for row in averages([row for row in rows if row["ood"] in ood_datasets], measures, f"{AVERAGE}_{name}")
    ]
    every = rows + averaged + averages(rows, measures)
    return over_runs(every, (*BLOCK, "ood"), measures, _OOD_COLUMNS.split(","))


def id_accuracy_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Top-1 accuracy on the ID datasets and what the probabilities are worth, by ID dataset, backbone and prompt pool.

    Top-1, `ece` and `brier` are percent, `nll` is in nats, and `temperature` is the one that `nll` would be least at.
    The "yes" tower is frozen, so all variants of a backbone share it: plain CLIP speaks for them, or the first variant
    where plain CLIP was not scored. Classifiers that were fitted on training images have rows of their own. `images`
    counts those with a label; where none has one, top-1 is NaN. Errors as for `ood_table`.
    """
    chosen = []
    for group in grouped(collect(runs, "id_accuracy"), ("study", "id", "backbone", "prompts")).values():
        variants = [row["variant"] for row in group if not row["variant"].startswith(FITTED)]
        # One variant only: each further one would repeat the same number in a row of its own.
        speaker = PLAIN_CLIP if PLAIN_CLIP in variants else next(iter(variants), None)
        chosen += [row for row in group if row["variant"] == speaker or row["variant"].startswith(FITTED)]
    columns = _ACCURACY_COLUMNS.split(",")
    return over_runs(chosen, _ACCURACY_KEYS, _ACCURACY_MEASURES, columns, not_shares=("nll", "temperature"))


def decisions_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Share of ID accepted, of OOD rejected, and their mean, for the rules that need no threshold.

    Percent, higher is better, mean and sample standard deviation over runs. Errors as for `ood_table`.
    """
    measures = ("id_accepted", "ood_rejected", "balanced_accuracy")
    return over_runs(collect(runs, "decisions"), _DECISION_KEYS, measures, _DECISION_COLUMNS.split(","))


def to_csv(table: pd.DataFrame, exact: Collection[str] = ()) -> str:
    """CSV text with LF line ends; measures with two decimals, or by `precise` in the columns `exact`."""
    written = table.copy()
    for column in table.columns.difference(table.select_dtypes("number").columns):
        written[column] = table[column].map(lambda value: csv_text(value) if isinstance(value, str) else value)
    for column in table.select_dtypes("float").columns:
        # As text: pandas' `float_format` rounds halves by their last bit.
        written[column] = table[column].map(precise if column in exact else fixed).astype(object)
    return written.to_csv(index=False, lineterminator="\n")
