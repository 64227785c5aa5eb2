"""Scores of the runs of one backbone, arranged for plotting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.report.figures.style import methods_in_order
from clipn.report.formatting import method_title
from clipn.report.reading import ScoredRun

Scores = NDArray[np.float64]

PLAIN = "none"
"""Variant of the methods that need no "no" tower."""


@dataclass(frozen=True)
class Series:
    """Scores (n,) of one method in one run, higher = more ID: of the ID images and of each OOD set."""

    method: str
    variant: str
    label: str
    known: Scores
    unknown: dict[str, Scores]


def first_runs(
    runs: Sequence[ScoredRun],
    backbone: str,
    id_dataset: str,
    variants: Sequence[str] | None = None,
    prompts: str | None = None,
) -> list[ScoredRun]:
    """The run of the lowest seed of every variant of `backbone`, under one prompt pool, with scores of one ID dataset.

    Args:
        runs: scores of the runs.
        backbone: which runs to take.
        id_dataset: whose rows the scores of the result hold.
        variants: names in order; those that were not scored are left out. None: all, in the order met.
        prompts: prompt pool; None: the first one met.

    Returns:
        The run `none` of the methods without a "no" tower first, wherever it is there.

    Raises:
        ClipnError: nothing is left.
    """
    of_backbone = [run for run in runs if run.backbone == backbone]
    pool = prompts or next((run.prompts for run in of_backbone), None)
    first: dict[str, ScoredRun] = {}
    for run in sorted(of_backbone, key=lambda run: run.seed):
        if run.prompts == pool:
            first.setdefault(run.variant, run)
    order = [PLAIN, *(dict.fromkeys(run.variant for run in of_backbone) if variants is None else variants)]
    chosen = [_of_dataset(first[variant], id_dataset) for variant in dict.fromkeys(order) if variant in first]
    found = [run for run in chosen if (run.scores["dataset"] == id_dataset).any()]
    if not found:
        raise ClipnError(f"scores of {backbone}: none for ID dataset {id_dataset!r}; score its runs first")
    return found


def select(
    runs: Sequence[ScoredRun],
    backbone: str,
    id_dataset: str,
    variants: Sequence[str] | None = None,
    prompts: str | None = None,
) -> list[Series]:
    """Every method of the first seed of every variant: the baselines, then CLIPN's rules.

    A method of several variants carries the variant in its label. Arguments and errors as for `first_runs`.
    """
    chosen = first_runs(runs, backbone, id_dataset, variants, prompts)
    found = [item for run in chosen for item in _series(run, id_dataset)]
    methods = [item.method for item in found]
    order = [*methods_in_order(), *methods]
    return [
        replace(item, label=f"{item.label} ({item.variant})") if methods.count(item.method) > 1 else item
        for item in sorted(found, key=lambda item: order.index(item.method))
    ]


def sets_of(series: Sequence[Series], backbone: str, id_dataset: str) -> list[str]:
    """The OOD sets of all `series`, in the order met.

    Raises:
        ClipnError: there is none.
    """
    sets = list(dict.fromkeys(ood for item in series for ood in item.unknown))
    if not sets:
        raise ClipnError(f"scores of {backbone}: no OOD set for {id_dataset!r}; add a pair to the study")
    return sets


def _of_dataset(run: ScoredRun, id_dataset: str) -> ScoredRun:
    return replace(run, scores=run.scores[run.scores["id"] == id_dataset])


def _series(run: ScoredRun, id_dataset: str) -> list[Series]:
    by_dataset = {str(name): part for name, part in run.scores.groupby("dataset", sort=False, observed=True)}
    known = by_dataset.pop(id_dataset)
    return [
        Series(
            method=method,
            variant=run.variant,
            label=method_title(method),
            known=known[method].to_numpy(),
            unknown={name: part[method].to_numpy() for name, part in by_dataset.items()},
        )
        for method in run.scores.select_dtypes("float64").columns
    ]
