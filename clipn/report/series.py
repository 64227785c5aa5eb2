"""Scores of the runs of one backbone, arranged for plotting."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.evaluate import read_scores as read_table
from clipn.files import require
from clipn.report.words import method_title
from clipn.scores import SCORES

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredRun:
    """One run and its scores: columns `id`, `dataset` and one float64 column per method."""

    backbone: str
    variant: str
    seed: int
    scores: pd.DataFrame


@dataclass(frozen=True)
class Series:
    """Scores (n,) of one method in one run, higher = more ID: of the ID images and of each OOD set."""

    method: str
    variant: str
    label: str
    known: Scores
    unknown: dict[str, Scores]


def read_scores(path: Path) -> ScoredRun:
    """Read `.../<backbone>/<variant>/seed<k>.parquet`.

    Raises:
        ClipnError: the file is missing, its path has another form, or it is not a scores file.
    """
    match = re.fullmatch(r".*?([^/]+)/([^/]+)/seed(\d+)\.parquet", require(path).as_posix())
    if match is None:
        raise ClipnError(f"{path}: expected .../<backbone>/<variant>/seed<k>.parquet; rename the file")
    backbone, variant, seed = match.groups()
    return ScoredRun(backbone, variant, int(seed), read_table(path))


def select(runs: Sequence[ScoredRun], backbone: str, id_dataset: str) -> list[Series]:
    """Every method of the first seed of every variant of `backbone`, for one ID dataset.

    Methods come in the order of `clipn.scores.SCORES`; a method of several variants carries the variant in
    its label.

    Raises:
        ClipnError: no run of this backbone has scores for this ID dataset.
    """
    of_backbone = sorted((run for run in runs if run.backbone == backbone), key=lambda run: run.seed)
    first = {run.variant: run for run in reversed(of_backbone)}
    found = [item for run in runs if first.get(run.variant) is run for item in _series(run, id_dataset)]
    if not found:
        raise ClipnError(f"scores of {backbone}: none for ID dataset {id_dataset!r}; score its runs first")
    methods = [item.method for item in found]
    order = [*SCORES, *methods]
    return [
        replace(item, label=f"{item.label} ({item.variant})") if methods.count(item.method) > 1 else item
        for item in sorted(found, key=lambda item: order.index(item.method))
    ]


def _series(run: ScoredRun, id_dataset: str) -> list[Series]:
    scores = run.scores[run.scores["id"] == id_dataset]
    by_dataset = {str(name): group for name, group in scores.groupby("dataset", sort=False, observed=True)}
    known = by_dataset.pop(id_dataset, None)
    if known is None:
        return []
    return [
        Series(
            method=method,
            variant=run.variant,
            label=method_title(method),
            known=known[method].to_numpy(),
            unknown={name: group[method].to_numpy() for name, group in by_dataset.items()},
        )
        for method in scores.select_dtypes("float64").columns
    ]
