"""The ROC curve as exact counts, of one set of scores or of many resamples of it at once, and the areas under it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipn.errors import ClipnError

Counts = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Curve:
    """Images accepted as the threshold falls: (..., points), from none to all, one point per distinct score.

    Attributes:
        true: accepted images of the positive class.
        false: accepted images of the other class.
    """

    true: Counts
    false: Counts

    def reversed(self) -> "Curve":
        """The same scores negated, with the other class as the positive one."""
        return Curve(*(counts[..., -1:] - counts[..., ::-1] for counts in (self.false, self.true)))

    def area(self) -> NDArray[np.float64]:
        """Area under the ROC curve, (...), ties counted one half; exact before the one division."""
        # The float comes first: the product of two 32-bit counts would overflow.
        pairs = 2.0 * self.true[..., -1] * self.false[..., -1]
        return _dot(np.diff(self.false), self.true[..., 1:] + self.true[..., :-1]) / pairs

    def average_precision(self) -> NDArray[np.float64]:
        """Mean precision over the positives, (...), each at its own score; the steps of scikit-learn's definition."""
        # A resample may accept nobody at its first points; these have no step, so that any divisor will do.
        accepted = np.maximum(self.true[..., 1:] + self.false[..., 1:], 1)
        return _dot(np.diff(self.true), self.true[..., 1:] / accepted) / self.true[..., -1]


@dataclass(frozen=True)
class Ranking:
    """ID and OOD images together, by falling score.

    Attributes:
        order: (images,) positions; ID images come before OOD images.
        is_id: (images,) whether the image at this position of the order is an ID image.
        ends: (points,) positions at which a group of tied scores ends, from 0 to all images.
    """

    order: NDArray[np.intp]
    is_id: NDArray[np.bool_]
    ends: NDArray[np.intp]

    def curve(self, counts: Counts) -> Curve:
        """ROC curve with ID as the positive class.

        Args:
            counts: (..., images) how often each image counts, ID images first; every row holds an ID and an OOD
                image, and fewer than 2^31 in all.
        """
        ordered = counts.take(self.order, axis=-1)
        return Curve(self._accepted(ordered * self.is_id), self._accepted(ordered * ~self.is_id))

    def _accepted(self, ordered: Counts) -> Counts:
        sums = np.zeros((*ordered.shape[:-1], len(self.order) + 1), np.int32)
        np.cumsum(ordered, axis=-1, out=sums[..., 1:])
        # Without ties every point ends a group, and taking all of them would copy the largest array.
        return sums if len(self.ends) == sums.shape[-1] else sums[..., self.ends]


def rank(id_scores: ArrayLike, ood_scores: ArrayLike) -> Ranking:
    """Sort ID and OOD scores together, once.

    Raises:
        ClipnError: empty scores, more than one dimension, NaN or infinity.
    """
    checked_id, checked_ood = _checked(id_scores, "ID"), _checked(ood_scores, "OOD")
    scores = np.concatenate([checked_id, checked_ood])
    # The sort need not be stable: within a group of ties, which alone it would order otherwise, no point is read.
    order = np.argsort(scores)[::-1]
    falling = scores[order]
    ends = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1], [True]]))
    return Ranking(order, order < len(checked_id), ends)


def curve(id_scores: ArrayLike, ood_scores: ArrayLike) -> Curve:
    """ROC curve with ID as the positive class, (points,) counts.

    Raises:
        ClipnError: empty scores, more than one dimension, NaN or infinity.
    """
    ranking = rank(id_scores, ood_scores)
    return ranking.curve(np.ones(len(ranking.order), np.uint8))


def _dot(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    # In float64, as products of 32-bit counts would overflow on a set as large as ImageNet's.
    return np.asarray(np.einsum("...p,...p->...", a, b, dtype=np.float64))


def _checked(scores: ArrayLike, which: str) -> NDArray[np.float64]:
    if np.ma.is_masked(scores):
        raise ClipnError(f"{which} scores: are masked; give those that count alone")
    # A tensor is known by `detach`, as torch may not be there. NumPy has no bfloat16, and drops imaginary parts.
    try:
        given = scores.detach().cpu().double() if hasattr(scores, "detach") else scores
        array = np.asarray(given).astype(np.float64, casting="same_kind" if np.iscomplexobj(given) else "unsafe")
    # RuntimeError: tensors that are quantised or without values.
    except (TypeError, ValueError, RuntimeError) as error:
        raise ClipnError(f"{which} scores: are no array of numbers ({error})") from error
    if array.ndim != 1 or array.size == 0:
        raise ClipnError(f"{which} scores: expected at least one score in one dimension, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ClipnError(f"{which} scores: hold NaN or infinity; check the features they were made from")
    return array
