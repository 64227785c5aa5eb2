"""Scores of the runs of one backbone, arranged for plotting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.metrics import auroc
from clipn.report.figures.style import methods_in_order
from clipn.report.formatting import method_title
from clipn.report.reading import ScoredRun
from clipn.scores import COLUMNS, PLAIN_CLIP

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Scores (n,) of one method in one run, higher = more ID: of the ID images and of each OOD set."""

    method: str
    variant: str
    label: str
    id_scores: Scores
    ood_scores: dict[str, Scores]

    @cached_property
    def is_flat(self) -> bool:
        """Whether it scores all images alike but for float noise, as the untrained "no" tower of a control does."""
        scores = np.concatenate([self.id_scores, *self.ood_scores.values()])
        return float(np.ptp(scores)) <= 1e-6 * float(np.abs(scores).max())

    @cached_property
    def auroc(self) -> float:
        """Mean AUROC over its OOD sets, in percent."""
        return 100 * fmean(auroc(self.id_scores, scores) for scores in self.ood_scores.values())


def first_runs(runs: Sequence[ScoredRun], backbone: str, id_dataset: str) -> list[ScoredRun]:
    """The run of the lowest seed of every variant of `backbone`, under one prompt pool, with scores of one ID dataset.

    Args:
        runs: scores of the runs; of several prompt pools the first one met is taken.
        backbone: which runs to take.
        id_dataset: whose rows the scores of the result hold.

    Returns:
        The run of the methods on plain CLIP first, wherever it is there; then the variants in the order met.

    Raises:
        ClipnError: nothing is left.
    """
    of_backbone = [run for run in runs if run.backbone == backbone]
    first: dict[str, ScoredRun] = {}
    for run in sorted(of_backbone, key=lambda run: run.seed):
        # One pool, so that no variant is shown under other prompts than the next.
        if run.prompts == of_backbone[0].prompts:
            first.setdefault(run.variant, run)
    order = dict.fromkeys([PLAIN_CLIP, *(run.variant for run in of_backbone)])
    chosen = [first[variant] for variant in order if variant in first]
    # A file of scores holds those under the classes of several ID datasets.
    own = [replace(run, scores=run.scores[run.scores["id"] == id_dataset]) for run in chosen]
    found = [run for run in own if (run.scores["dataset"] == id_dataset).any()]
    if not found:
        raise ClipnError(f"scores of {backbone}: none for ID dataset {id_dataset!r}; score its runs first")
    return found


def select(runs: Sequence[ScoredRun], backbone: str, id_dataset: str) -> list[Series]:
    """Every method of the first seed of every variant: the baselines, then CLIPN's rules.

    A method of several variants carries the variant in its label. Arguments and errors as for `first_runs`.
    """
    found = []
    for run in first_runs(runs, backbone, id_dataset):
        by_dataset = {str(name): part for name, part in run.scores.groupby("dataset", sort=False, observed=True)}
        of_id = by_dataset.pop(id_dataset)
        # Scores are columns of floats; the others name images, classes and decisions.
        for method in run.scores.select_dtypes("float64").columns.difference([*COLUMNS], sort=False):
            of_ood = {name: part[method].to_numpy() for name, part in by_dataset.items()}
            found.append(Series(method, run.variant, method_title(method), of_id[method].to_numpy(), of_ood))
    methods = [item.method for item in found]
    order = [*methods_in_order(), *methods]
    return [
        replace(item, label=f"{item.label} ({item.variant})") if methods.count(item.method) > 1 else item
        for item in sorted(found, key=lambda item: order.index(item.method))
    ]


def ood_datasets_of(series: Sequence[Series], backbone: str, id_dataset: str) -> list[str]:
    """The OOD sets of all `series`, in the order met.

    Raises:
        ClipnError: there is none.
    """
    names = list(dict.fromkeys(name for item in series for name in item.ood_scores))
    if not names:
        raise ClipnError(f"scores of {backbone}: no OOD set for {id_dataset!r}; add a pair to the study")
    return names


def main_variant(series: Sequence[Series]) -> str | None:
    """The first variant with a "no" tower; None where there is none."""
    return next((item.variant for item in series if item.variant != PLAIN_CLIP), None)
