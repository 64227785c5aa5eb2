"""Every measure with its deviation over runs and its bootstrap interval, and paired differences of methods."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.data.registry import OFFICIAL
from clipn.evaluation.evaluate import MEASURES
from clipn.evaluation.replicates import VALUES
from clipn.metrics import CONVENTION
from clipn.metrics.bootstrap import difference, interval
from clipn.report.formatting import AVERAGE
from clipn.report.tables.aggregate import Row, averages, collect, grouped, over_runs

Values = NDArray[np.float64]

COMPARED = ("auroc", "fpr95")
_KEYS = (
    "study", "id", "backbone", "variant", "prompts", "ood_version", "method", "ood", "measure", "convention"
)  # fmt: skip
_COLUMNS = "study,id,ood,ood_version,backbone,variant,prompts,method,measure,convention,mean,sd,low,high,runs"
_DIFFERENCE_COLUMNS = (
    "study,id,ood,backbone,variant,prompts,method,reference_variant,reference,measure,difference,low,high,runs"
)


class MeasureKey(NamedTuple):
    """What names one number over runs: a measure of a method in a variant, on one image list of an OOD set."""

    id: str
    ood: str
    ood_version: str
    backbone: str
    variant: str
    prompts: str
    method: str
    measure: str


Replicates = dict[MeasureKey, Values]
"""Mean over runs of a measure in every resample of the images, (resamples,) fractions."""


def mean_replicates(runs: Sequence[Mapping[str, Any]], tables: Iterable[pd.DataFrame]) -> Replicates:
    """Average the replicates over seeds, and those of each image list over the OOD sets.

    Args:
        runs: parsed metrics files.
        tables: replicates of the same runs, in the same order.
    """
    members: dict[MeasureKey, list[Values]] = defaultdict(list)
    for run, table in zip(runs, tables, strict=True):
        for row in table.to_dict("records"):
            # The row comes last: a method with a pool of its own has another one than its run.
            members[_key({**run, **row})].append(row[VALUES])
    means = {key: _mean(values) for key, values in members.items()}
    sets: dict[str, set[str]] = defaultdict(set)
    averaged: dict[MeasureKey, list[Values]] = defaultdict(list)
    for key, values in means.items():
        sets[key.id].add(key.ood)
        averaged[key._replace(ood=AVERAGE)].append(values)
    # An average over fewer OOD sets would pass for that over all of them, so such an image list gets none.
    complete = {key: values for key, values in averaged.items() if len(values) == len(sets[key.id])}
    return means | {key: _mean(values) for key, values in complete.items()}


def metrics_table(runs: Sequence[Mapping[str, Any]], replicates: Replicates) -> pd.DataFrame:
    """One row per number of `ood_table` and measure: AUROC, FPR95 in every convention, AUPR with ID and OOD positive.

    Percent; `low` and `high` bound the 95 % bootstrap interval of the mean over runs: it covers the choice of images,
    `sd` that of seeds. FPR95 has one in the convention `clipn` alone. Errors as for `ood_table`.
    """
    table = over_runs(_long(runs), _KEYS, ("mean",), [*_KEYS, "mean", "mean_sd", "runs"])
    bounds = []
    for row in table.to_dict("records"):
        # Of the readings of FPR95 only `clipn`'s is resampled; the key does not tell them apart.
        values = replicates.get(_key(row)) if row["convention"] in ("", CONVENTION) else None
        bounds.append((np.nan, np.nan) if values is None else tuple(100 * bound for bound in interval(values)))
    # Without rows there is nothing to tell NumPy the number of columns.
    table[["low", "high"]] = np.array(bounds, dtype=float).reshape(-1, 2)
    return table.rename(columns={"mean_sd": "sd"})[_COLUMNS.split(",")]


def single_runs(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The numbers of `metrics_table` for each run by itself: `seed`, and `mean` in percent."""
    table = pd.DataFrame(_long(runs), columns=[*_KEYS, "seed", "mean"])
    return table.assign(mean=100 * table["mean"])


def differences_table(
    table: pd.DataFrame, replicates: Replicates, method: str, variant: str, prompts: str
) -> pd.DataFrame:
    """How much every method differs from a reference on the same backbone, in percentage points of AUROC and FPR95.

    Args:
        table: of `metrics_table`.
        replicates: those behind it.
        method: of the reference.
        variant: of the reference.
        prompts: prompt pool of the reference.

    Returns:
        Mean of the method less that of the reference, with the paired 95 % bootstrap interval, both on the same
        resamples of the same images: an interval without 0 says that the choice of images does not explain it.
    """
    measured = {
        key: row
        for row in table.to_dict("records")
        if row["measure"] in COMPARED
        and row["ood_version"] == OFFICIAL
        and row["convention"] in ("", CONVENTION)
        and (key := _key(row)) in replicates
    }
    rows = []
    for key, row in measured.items():
        other = key._replace(method=method, variant=variant, prompts=prompts)
        if other in measured and other != key:
            # Paired: subtracting the two intervals would count the choice of images, which both share, twice.
            low, high = difference(replicates[key], replicates[other])
            found = {"difference": row["mean"] - measured[other]["mean"], "low": 100 * low, "high": 100 * high}
            rows.append(row | {"reference": method, "reference_variant": variant} | found)
    return pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS.split(","))


def _long(runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row per OOD set, or average over them, and measure, its value under `mean`; no convention but for FPR95."""
    rows = []
    for row in collect(runs, "ood"):
        values = {(measure, ""): row[measure] for measure in MEASURES if measure != "fpr95"}
        values |= {("fpr95", convention): value for convention, value in row["fpr95_by_convention"].items()}
        rows += [
            row | {"measure": measure, "convention": convention, "mean": value}
            for (measure, convention), value in values.items()
        ]
    # Every measure is averaged by itself: in this form a run has a row for each of them.
    return rows + [
        row for part in grouped(rows, ("measure", "convention")).values() for row in averages(part, ("mean",))
    ]


def _key(row: Mapping[Any, Any]) -> MeasureKey:
    return MeasureKey(*(row[name] for name in MeasureKey._fields))


def _mean(values: Sequence[Values]) -> Values:
    return np.asarray(np.mean(values, axis=0, dtype=np.float64))
