"""Which figures a study has, and which of its runs they show."""

from collections.abc import Collection

from clipn.scores import PLAIN_CLIP
from clipn.study.config import Study
from clipn.study.names import Scoring, family
from clipn.study.runs import runs_with_steps
from clipn.study.scorings import main_pool

PLAIN_KINDS = ["scores", "roc", "intervals", "calibration"]
"""Figures of every ID dataset and backbone."""


def figure_names(study: Study, published: Collection[str]) -> list[str]:
    """Names of all figures, in the order of the page.

    Args:
        study: the study.
        published: studies that there are published numbers to compare with.
    """
    names = ["published"] if study.study in published else []
    names += _of_backbones(study)
    # Classifiers that were fitted on training images are left out of it.
    if len({*map(family, study.backbones)}) > 1 and (study.baselines or study.runs):
        names += [f"{id_dataset}_backbones" for id_dataset in study.pairs]
    # One per ID dataset, whatever the backbones: it shows the one that most ablations ran on.
    names += [f"{id_dataset}_ablations" for id_dataset in study.pairs] if study.ablations else []
    trains = any(backbone.training for backbone in study.backbones.values()) or any(runs_with_steps(study))
    return names + ["training"] * trains


def overall_figures(study: Study, published: Collection[str]) -> list[str]:
    """Names of the figures that show several backbones, or none."""
    named = {*_of_backbones(study)}
    return [name for name in figure_names(study, published) if name not in named]


def _of_backbones(study: Study) -> list[str]:
    """Names of the figures of single backbones, by ID dataset."""
    drawn = figure_kinds(study).items()
    return [
        f"{id_dataset}_{kind}_{backbone}" for id_dataset in study.pairs for backbone, kinds in drawn for kind in kinds
    ]


def drawn_alike(study: Study) -> dict[tuple[str, ...], list[str]]:
    """Backbones by the kinds of figures that are drawn of them, where any are: with a "no" tower more than without."""
    found: dict[tuple[str, ...], list[str]] = {}
    for backbone, kinds in figure_kinds(study).items():
        found.setdefault(tuple(kinds), []).append(backbone)
    return found


def shown_scorings(study: Study, backbone: str) -> list[Scoring]:
    """What figures of scores show of a backbone: methods on plain CLIP, and the first seed of variants that are shown.

    All of it under the main prompt pool.
    """
    pool = main_pool(study)
    # Reversed, so that of several runs of a variant the first one stays.
    seeds = {run.variant: run.seeds[0] for run in reversed(study.runs) if run.backbone == backbone}
    plain = [Scoring(backbone, PLAIN_CLIP, pool, 0)] if study.baselines else []
    return [*plain, *(Scoring(backbone, name, pool, seeds[name]) for name in study.shown if name in seeds)]


def figure_kinds(study: Study) -> dict[str, list[str]]:
    """Kinds of figures of every ID dataset, by backbone, where any are drawn of it.

    Some need a "no" tower or one of its rules. Of several trainings of a backbone, the first one is drawn.
    """
    variants, first = {*study.shown}, {family(name): name for name in reversed(study.backbones)}
    shown = {run.backbone for run in study.runs if run.variant in variants}
    reliability = ["reliability"] if {"ctw", "atd"} & {*study.rules} else []
    taught = [*PLAIN_KINDS, "similarity", *reliability, *(["mistakes"] if "atd" in study.rules else [])]
    plain = PLAIN_KINDS if study.baselines else []
    found = {name: taught if name in shown else plain for name in study.backbones if name == first[family(name)]}
    return {name: kinds for name, kinds in found.items() if kinds}
