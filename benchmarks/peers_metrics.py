"""AUROC, AUPR and FPR95 of the same scores, by `clipn` and by the packages that the field takes them from."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from benchmarks import plain_evaluation
from benchmarks.contest import Turn, timed
from clipn.metrics import CONVENTIONS, measures

SIZES = (50_000, 10_000)
"""ID and OOD images, as of ImageNet's validation set and one OOD set."""
RECALL = 0.95
Array = NDArray[np.float64]
Figures = dict[str, float]


@cache
def scores() -> tuple[Array, Array]:
    """Normally distributed ID scores above normally distributed OOD scores."""
    draw = np.random.default_rng(0)
    return draw.normal(1, 1, SIZES[0]), draw.normal(0, 1, SIZES[1])


def turn(name: str) -> Turn:
    """One of `WAYS`; the conversion of arrays into tensors counts for none."""
    return Turn(*timed(WAYS[name](*scores())))


def differences(figures: Mapping[str, float]) -> Figures:
    """How far AUROC, AUPR and FPR95 of a package are from `clipn`'s, FPR95 by the package's own convention."""
    ours = measures(*scores(), CONVENTIONS)
    exact = {"auroc": ours.auroc, "aupr_id": ours.aupr_id, "aupr_ood": ours.aupr_ood, **ours.fpr95}
    apart = {name: abs(value - exact[name]) for name, value in figures.items()}
    fpr95 = max(apart[name] for name in CONVENTIONS.keys() & apart.keys())
    return {"AUROC": apart["auroc"], "AUPR": max(apart["aupr_id"], apart["aupr_ood"]), "FPR95": fpr95}


def _clipn(id_scores: Array, ood_scores: Array) -> Callable[[], Figures]:
    def work() -> Figures:
        ours = measures(id_scores, ood_scores)
        return {"auroc": ours.auroc, "aupr_id": ours.aupr_id, "aupr_ood": ours.aupr_ood, **ours.fpr95}

    return work


def _scikit_learn(id_scores: Array, ood_scores: Array) -> Callable[[], Figures]:
    def work() -> Figures:
        figures = plain_evaluation.measure(id_scores, ood_scores)
        return figures | {"clipn": figures.pop("fpr95")}

    return work


def _openood(id_scores: Array, ood_scores: Array) -> Callable[[], Figures]:
    """OpenOOD's definitions: OOD is positive, precision and recall are joined by straight lines."""

    def work() -> Figures:
        is_ood = np.concatenate([np.zeros(len(id_scores)), np.ones(len(ood_scores))])
        certainty = np.concatenate([id_scores, ood_scores])
        false, true, _ = roc_curve(is_ood, -certainty)
        precision_id, recall_id, _ = precision_recall_curve(1 - is_ood, certainty)
        precision_ood, recall_ood, _ = precision_recall_curve(is_ood, -certainty)
        return {
            "auroc": float(auc(false, true)),
            "aupr_id": float(auc(recall_id, precision_id)),
            "aupr_ood": float(auc(recall_ood, precision_ood)),
            "openood": float(false[np.argmax(true >= RECALL)]),
        }

    return work


def _pytorch_ood(id_scores: Array, ood_scores: Array) -> Callable[[], Figures]:
    import torch
    from pytorch_ood.metrics import OODMetrics

    outlier_scores = torch.from_numpy(-np.concatenate([id_scores, ood_scores]))
    labels = torch.from_numpy(np.repeat([0, -1], [len(id_scores), len(ood_scores)]))

    def work() -> Figures:
        found = OODMetrics().update(outlier_scores, labels).compute()
        keys = {"auroc": "AUROC", "aupr_id": "AUPR-IN", "aupr_ood": "AUPR-OUT", "openood": "FPR95TPR"}
        return {name: float(found[key]) for name, key in keys.items()}

    return work


def _torchmetrics(id_scores: Array, ood_scores: Array) -> Callable[[], Figures]:
    import torch
    from torchmetrics.functional.classification import (
        binary_auroc,
        binary_average_precision,
        binary_specificity_at_sensitivity,
    )

    # Of what is no probability it would take the sigmoid itself.
    p_id = torch.from_numpy(expit(np.concatenate([id_scores, ood_scores])))
    is_id = torch.from_numpy(np.repeat([1, 0], [len(id_scores), len(ood_scores)]))

    def work() -> Figures:
        return {
            "auroc": float(binary_auroc(p_id, is_id)),
            "aupr_id": float(binary_average_precision(p_id, is_id)),
            "aupr_ood": float(binary_average_precision(1 - p_id, 1 - is_id)),
            "first": 1 - float(binary_specificity_at_sensitivity(p_id, is_id, RECALL)[0]),
        }

    return work


WAYS: dict[str, Callable[[Array, Array], Callable[[], Figures]]] = {
    "clipn": _clipn,
    "scikit-learn": _scikit_learn,
    "OpenOOD's formulas": _openood,
    "pytorch-ood": _pytorch_ood,
    "torchmetrics": _torchmetrics,
}
"""Prepare the work of a package on ID and OOD scores; its figures, FPR95 by the name of its convention."""
