"""From records of single runs to means and deviations over runs."""

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from clipn.errors import ClipnError
from clipn.report.formatting import AVERAGE

Row = dict[str, Any]
RUN = ("study", "backbone", "variant", "seed", "prompts", "convention", "arithmetic")
"""What names a run in its metrics file, and what all its numbers share."""

BLOCK = ("study", "id", "backbone", "variant", "prompts", "convention", "ood_version", "method")
"""What the OOD sets of one method have in common."""


def collect(runs: Sequence[Mapping[str, Any]], part: str) -> list[Row]:
    """Records of one part of the metrics, each with the keys of its run.

    Raises:
        ClipnError: a run misses a key.
    """
    for run in runs:
        missing = [key for key in (*RUN, part) if key not in run]
        if missing:
            name = "/".join(str(run.get(key, "?")) for key in ("study", "backbone", "variant", "seed"))
            raise ClipnError(f"metrics of run {name}: no key {missing[0]!r}; evaluate this run again")
    return [{key: run[key] for key in RUN} | record for run in runs for record in run[part]]


def grouped(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some keys, in order of first appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def averages(rows: list[Row], measures: Sequence[str], name: str = AVERAGE) -> list[Row]:
    """One row per run and method, `name` as its OOD set: the mean over the OOD sets of its ID dataset.

    An image list that some OOD sets lack has none.

    Raises:
        ClipnError: runs differ in their OOD sets.
    """
    for group in grouped(rows, BLOCK).values():
        sets = {frozenset(row["ood"] for row in run) for run in grouped(group, ("seed",)).values()}
        if len(sets) > 1:
            raise ClipnError(f"metrics of {_name(group[0])}: seeds differ in their OOD sets; evaluate all again")
    every = {id_dataset: {row["ood"] for row in group} for (id_dataset,), group in grouped(rows, ("id",)).items()}
    return [
        run[0] | {"ood": name} | {measure: mean(run, measure) for measure in measures}
        for run in grouped(rows, (*BLOCK, "seed")).values()
        if {row["ood"] for row in run} == every[run[0]["id"]]
    ]


def over_runs(
    rows: list[Row],
    keys: Sequence[str],
    measures: Sequence[str],
    columns: Sequence[str],
    not_shares: Collection[str] = (),
) -> pd.DataFrame:
    """Percent, mean and sample deviation per distinct `keys`, which nest: a prefix of the keys keeps its rows together.

    Args:
        rows: with fractions under `measures`, and the seed of their run.
        keys: what tells the rows of the result apart.
        measures: each gives a column of its name and one with `_sd` behind, NaN for one run; both are NaN where the
            measure is None.
        columns: of the result, among them `runs`.
        not_shares: measures among them that percent say nothing of, and that stay in their own unit.

    Raises:
        ClipnError: a seed occurs twice.
    """
    groups = grouped(rows, keys)
    lengths = range(1, len(keys) + 1)
    # Rows follow first appearance at every level of the keys: metrics may come in any order of runs, and a plain sort
    # would put methods and datasets into alphabetical order, not that of the study.
    first: dict[tuple[Any, ...], int] = {}
    for index, group in enumerate(groups):
        for length in lengths:
            first.setdefault(group[:length], index)
    ordered = sorted(groups, key=lambda group: [first[group[:length]] for length in lengths])
    summaries = [
        dict(zip(keys, group, strict=True)) | _summary(groups[group], measures, not_shares) for group in ordered
    ]
    table = pd.DataFrame(summaries, columns=list(columns))
    # Without rows, or with None alone, pandas would choose `object`, which is written and averaged otherwise.
    return table.astype({name: float for measure in measures for name in (measure, f"{measure}_sd")})


def arithmetic_of(runs: Sequence[Mapping[str, Any]]) -> str:
    """The arithmetic that runs were computed in; all of them, should they differ."""
    return " and ".join(dict.fromkeys(run["arithmetic"] for run in runs))


def mean(rows: list[Row], measure: str) -> float:
    """Correctly rounded, so it does not depend on the order of rows."""
    return statistics.fmean(row[measure] for row in rows)


def _summary(rows: list[Row], measures: Sequence[str], not_shares: Collection[str]) -> Row:
    seeds = {row["seed"] for row in rows}
    # A metrics file passed twice would make the deviation too small without anybody noticing.
    if len(seeds) < len(rows):
        raise ClipnError(f"metrics of {_name(rows[0])}: a seed occurs twice; pass each run once")
    summary: Row = {"runs": len(rows)}
    for measure in measures:
        values = [row[measure] for row in rows]
        # Without a label there is no accuracy; all runs of a row are of the same images.
        is_measured = None not in values
        factor = 1 if measure in not_shares else 100
        summary[measure] = factor * mean(rows, measure) if is_measured else None
        summary[f"{measure}_sd"] = factor * statistics.stdev(values) if is_measured and len(values) > 1 else None
    return summary


def _name(row: Row) -> str:
    return f"{row['study']}/{row['backbone']}/{row['variant']} on {row['id']}"
