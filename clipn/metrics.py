"""Detection metrics with ID as the positive class, in float64, ties counted exactly."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from clipn.errors import ClipnError

CONVENTION = "clipn"


def auroc(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Probability that an ID score exceeds an OOD score, ties counted one half; fraction in [0, 1]."""
    known, unknown = _checked(id_scores, "ID"), _checked(ood_scores, "OOD")
    labels = np.repeat([1, 0], [len(known), len(unknown)])
    return float(roc_auc_score(labels, np.concatenate([known, unknown])))


def roc(id_scores: ArrayLike, ood_scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ROC curve, one point per distinct score, from (0, 0) to (1, 1).

    Returns:
        Share of OOD accepted and share of ID accepted, both increasing, as the threshold falls.
    """
    known, unknown = _checked(id_scores, "ID"), _checked(ood_scores, "OOD")
    scores = np.concatenate([known, unknown])
    order = np.argsort(-scores, kind="stable")
    is_known = order < len(known)
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    accepted_id = np.cumsum(is_known)[last_of_tie]
    accepted_ood = np.cumsum(~is_known)[last_of_tie]
    return np.append(0, accepted_ood) / len(unknown), np.append(0, accepted_id) / len(known)


def fpr(id_scores: ArrayLike, ood_scores: ArrayLike, tpr: float = 0.95, convention: str = CONVENTION) -> float:
    """Share of OOD accepted when a share `tpr` of ID is accepted; fraction in [0, 1].

    Convention `clipn`: straight line between the points of the ROC curve, as in the authors' code; where
    several points share the recall, the largest share counts.

    Raises:
        ClipnError: unknown convention, empty scores, NaN or infinity.
    """
    if convention != CONVENTION:
        raise ClipnError(f"convention {convention!r}: choose {CONVENTION!r}")
    accepted_ood, accepted_id = roc(id_scores, ood_scores)
    return float(np.interp(tpr, accepted_id, accepted_ood))


def _checked(scores: ArrayLike, which: str) -> NDArray[np.float64]:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ClipnError(f"{which} scores: expected at least one score in one dimension, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ClipnError(f"{which} scores: hold NaN or infinity; check the features they were made from")
    return array
