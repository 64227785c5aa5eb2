"""Detection metrics in float64, ties counted exactly: higher scores mean ID, all figures are fractions in [0, 1]."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipn.errors import ClipnError
from clipn.metrics.conventions import CONVENTION as CONVENTION
from clipn.metrics.conventions import CONVENTIONS as CONVENTIONS
from clipn.metrics.conventions import convention_named
from clipn.metrics.curve import curve

RECALL = 0.95
"""Default recall at which the false positive rate is read."""


@dataclass(frozen=True)
class Measures:
    """All metrics of one ID and one OOD set, fractions in [0, 1].

    Attributes:
        auroc: probability that an ID score exceeds an OOD score, ties counted one half.
        aupr_id: average precision with ID as the positive class.
        aupr_ood: average precision with OOD as the positive class.
        fpr95: false positive rate at 95 % recall, by convention.
    """

    auroc: float
    aupr_id: float
    aupr_ood: float
    fpr95: dict[str, float]


def measures(id_scores: ArrayLike, ood_scores: ArrayLike, conventions: Iterable[str] = (CONVENTION,)) -> Measures:
    """All metrics of a pair from one sort of its scores.

    Raises:
        ClipnError: unknown convention, empty scores, NaN or infinity.
    """
    chosen = [convention_named(name) for name in conventions]
    # One sort for all metrics: it takes most of their time.
    accepted = curve(id_scores, ood_scores)
    return Measures(
        auroc=float(accepted.area()),
        aupr_id=float(accepted.average_precision()),
        aupr_ood=float(accepted.reversed().average_precision()),
        fpr95={convention.name: convention.read(accepted, RECALL) for convention in chosen},
    )


def auroc(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Probability that an ID score exceeds an OOD score, ties counted one half; fraction in [0, 1].

    Raises:
        ClipnError: empty scores, NaN or infinity.
    """
    return float(curve(id_scores, ood_scores).area())


def aupr(id_scores: ArrayLike, ood_scores: ArrayLike, positive: Literal["id", "ood"] = "id") -> float:
    """Average precision, scikit-learn's `average_precision_score`; fraction in [0, 1].

    It depends on the sizes of the two sets: scores without information give the share of the positive class.

    Args:
        id_scores: (n,), higher = more ID.
        ood_scores: (m,).
        positive: the class to be found; `ood` among low scores.

    Raises:
        ClipnError: unknown positive class, empty scores, NaN or infinity.
    """
    if positive not in ("id", "ood"):
        raise ClipnError(f"positive class {positive!r}: choose id or ood")
    accepted = curve(id_scores, ood_scores)
    return float((accepted if positive == "id" else accepted.reversed()).average_precision())


def roc(id_scores: ArrayLike, ood_scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ROC curve, one point per distinct score, from (0, 0) to (1, 1).

    Returns:
        Share of OOD accepted and share of ID accepted, both increasing, as the threshold falls.

    Raises:
        ClipnError: empty scores, NaN or infinity.
    """
    accepted = curve(id_scores, ood_scores)
    return accepted.false / accepted.false[-1], accepted.true / accepted.true[-1]


def fpr(id_scores: ArrayLike, ood_scores: ArrayLike, tpr: float = RECALL, convention: str = CONVENTION) -> float:
    """False positive rate at the recall `tpr`, read as a convention of `CONVENTIONS` says; fraction in [0, 1].

    By default the share of OOD accepted when a share `tpr` of ID is, on the straight line between the points of
    the ROC curve, as in the authors' code; where several points share the recall, the largest share counts.

    Raises:
        ClipnError: unknown convention, a recall outside [0, 1], empty scores, NaN or infinity.
    """
    chosen = convention_named(convention)
    if not isinstance(tpr, int | float) or not 0 <= tpr <= 1:
        raise ClipnError(f"recall {tpr}: expected a fraction in [0, 1]")
    return chosen.read(curve(id_scores, ood_scores), tpr)
