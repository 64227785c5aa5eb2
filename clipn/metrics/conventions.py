"""How FPR95 is read off the ROC curve: the conventions in use, which differ on equal scores and on small sets."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clipn.errors import ClipnError
from clipn.metrics.curve import Curve


def _clipn(curve: Curve, tpr: float) -> float:
    # Of several points at the recall, np.interp takes the last: the largest share of OOD.
    return float(np.interp(tpr, curve.true / curve.true[-1], curve.false / curve.false[-1]))


def _mcm(curve: Curve, tpr: float) -> float:
    all_true = int(np.searchsorted(curve.true, curve.true[-1]))
    # From the lowest threshold upwards, as argmin takes the first of equally near ones; (0, 0) is no threshold.
    falling = slice(all_true, 0, -1)
    nearest = np.argmin(np.abs(curve.true[falling] / curve.true[-1] - tpr))
    return float(curve.false[falling][nearest] / curve.false[-1])


def _first(curve: Curve, tpr: float) -> float:
    # scikit-learn's `roc_curve` drops the points between two equal steps, so the first of its points may lie later.
    kept = np.ones(len(curve.true), np.bool_)
    kept[2:-1] = (np.diff(curve.true[1:], 2) != 0) | (np.diff(curve.false[1:], 2) != 0)
    reached = np.argmax(curve.true[kept] / curve.true[-1] >= tpr)
    return float(curve.false[kept][reached] / curve.false[-1])


def _openood(curve: Curve, tpr: float) -> float:
    return _first(curve.reversed(), tpr)


def _dice(curve: Curve, tpr: float) -> float:
    # At recall 0, too, the threshold is a score: the highest.
    accepted = max(1, round(tpr * int(curve.true[-1])))
    at_threshold = np.searchsorted(curve.true, accepted)
    # The point before the threshold's own leaves out the scores that equal it.
    return float(curve.false[at_threshold - 1] / curve.false[-1])


@dataclass(frozen=True)
class Convention:
    """A way to read the false positive rate at a recall.

    Attributes:
        name: key in tables and settings.
        label: whose it is.
        sentence: what it does.
        read: function of a curve with ID as the positive class and a recall in [0, 1]; fraction.
    """

    name: str
    label: str
    sentence: str
    read: Callable[[Curve, float], float]


CONVENTION = "clipn"
"""The convention of a number that names none."""

CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            CONVENTION,
            "CLIPN, interpolated",
            "Share of OOD accepted at the given recall of ID, on the straight line between the points of the ROC "
            "curve; where several points share the recall, the largest share counts.",
            _clipn,
        ),
        Convention(
            "mcm",
            "MCM, nearest recall",
            "Share of OOD accepted at the threshold whose recall of ID is nearest to the given one, above or below; "
            "of equally near thresholds, the lowest; thresholds below all ID scores do not count.",
            _mcm,
        ),
        Convention(
            "first",
            "first point",
            "Share of OOD accepted at the first point of scikit-learn's ROC curve that reaches the given recall of ID; "
            "that curve leaves out points between two equal steps.",
            _first,
        ),
        Convention(
            "openood",
            "OpenOOD, OOD positive",
            "Share of ID rejected at the first point of scikit-learn's ROC curve, with OOD as the positive class, that "
            "reaches the given recall of OOD.",
            _openood,
        ),
        Convention(
            "dice",
            "DICE, strictly above",
            "Share of OOD strictly above the lowest of the (recall x images, rounded) highest ID scores; OOD scores "
            "equal to it count as rejected.",
            _dice,
        ),
    )
}
"""Conventions by name. Sources: the released code of CLIPN; MCM (after Outlier Exposure); OpenOOD v1.5; DICE."""


def convention_named(name: str) -> Convention:
    """Look up a convention.

    Raises:
        ClipnError: unknown name.
    """
    if name not in CONVENTIONS:
        raise ClipnError(f"convention {name!r}: choose one of {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]
