"""Every measure with its deviation over runs and its bootstrap interval, and paired differences of methods."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.evaluation.evaluate import MEASURES, OFFICIAL
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


class Place(NamedTuple):
    """What names one figure: a measure of a method in a variant, on one image list of an OOD set."""

    id: str
    ood: str
    ood_version: str
    backbone: str
    variant: str
    prompts: str
    method: str
    measure: str


Replicates = dict[Place, Values]
"""Mean over runs of a measure in every resample of the images, (resamples,) fractions."""


def mean_replicates(runs: Sequence[Mapping[str, Any]], tables: Iterable[pd.DataFrame]) -> Replicates:
    """Average the replicates over seeds, and those of each image list over the OOD sets.

    Args:
        runs: parsed metrics files.
        tables: replicates of the same runs, in the same order.
    """
    members: dict[Place, list[Values]] = defaultdict(list)
    for run, table in zip(runs, tables, strict=True):
        for row in table.to_dict("records"):
            members[_place({**run, **row})].append(row[VALUES])
    means = {place: _mean(values) for place, values in members.items()}
    return means | _averaged(means)


def metrics_table(runs: Sequence[Mapping[str, Any]], replicates: Replicates) -> pd.DataFrame:
    """One row per figure of `ood_table` and measure: AUROC, FPR95 in every convention, AUPR with ID and OOD positive.

    Percent; `low` and `high` bound the 95 % bootstrap interval of the mean over runs: it covers the choice of images,
    `sd` that of seeds. FPR95 has one in the convention `clipn` alone. Errors as for `ood_table`.
    """
    rows = [long for row in collect(runs, "ood") for long in _long(row)]
    every = [row for part in grouped(rows, ("measure", "convention")).values() for row in averages(part, ("mean",))]
    table = over_runs(rows + every, _KEYS, ("mean",), [*_KEYS, "mean", "mean_sd", "runs"])
    bounds = [_bounds(replicates, row) for row in table.to_dict("records")]
    table[["low", "high"]] = np.array(bounds, dtype=float).reshape(-1, 2)
    return table.rename(columns={"mean_sd": "sd"})[_COLUMNS.split(",")]


def single_runs(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The figures of `metrics_table` for each run by itself: `seed`, and `mean` in percent."""
    rows = [long for row in collect(runs, "ood") for long in _long(row)]
    every = [row for part in grouped(rows, ("measure", "convention")).values() for row in averages(part, ("mean",))]
    table = pd.DataFrame(rows + every, columns=[*_KEYS, "seed", "mean"])
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
        place: row
        for row in table.to_dict("records")
        if row["measure"] in COMPARED
        and row["ood_version"] == OFFICIAL
        and row["convention"] in ("", CONVENTION)
        and (place := _place(row)) in replicates
    }
    rows = []
    for place, row in measured.items():
        other = place._replace(method=method, variant=variant, prompts=prompts)
        if other in measured and other != place:
            low, high = difference(replicates[place], replicates[other])
            found = {"difference": row["mean"] - measured[other]["mean"], "low": 100 * low, "high": 100 * high}
            rows.append(row | {"reference": method, "reference_variant": variant} | found)
    return pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS.split(","))


def _long(row: Row) -> Iterator[Row]:
    """One row per measure, its value under `mean`; the convention is empty but for FPR95."""
    for measure in MEASURES:
        if measure != "fpr95":
            yield row | {"measure": measure, "convention": "", "mean": row[measure]}
    for convention, value in row["fpr95_by_convention"].items():
        yield row | {"measure": "fpr95", "convention": convention, "mean": value}


def _place(row: Mapping[Any, Any]) -> Place:
    return Place(*(row[key] for key in Place._fields))


def _bounds(replicates: Replicates, row: Mapping[Any, Any]) -> tuple[float, float]:
    """Ends of an interval in percent; NaN without replicates."""
    values = replicates.get(_place(row)) if row["convention"] in ("", CONVENTION) else None
    if values is None:
        return np.nan, np.nan
    low, high = interval(values)
    return 100 * low, 100 * high


def _averaged(replicates: Replicates) -> Replicates:
    """Mean over the OOD sets of an ID dataset, of every image list that all of them have."""
    sets: dict[str, set[str]] = defaultdict(set)
    members: dict[Place, list[Values]] = defaultdict(list)
    for place, values in replicates.items():
        sets[place.id].add(place.ood)
        members[place._replace(ood=AVERAGE)].append(values)
    return {place: _mean(values) for place, values in members.items() if len(values) == len(sets[place.id])}


def _mean(values: Sequence[Values]) -> Values:
    return np.asarray(np.mean(values, axis=0, dtype=np.float64))
