"""Percentile bootstrap over images (Efron & Tibshirani 1993, ch. 13): how far a metric depends on the images drawn.

Intervals cover the choice of test images, not that of training seeds. Resamples are drawn by the name of an image set,
so that all methods, runs and variants are measured on the same ones and their differences are paired.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipn.errors import ClipnError
from clipn.metrics import CONVENTION, CONVENTIONS, RECALL
from clipn.metrics.curve import Curve, rank

BLOCK = 2**16
"""Images worked on at once, times resamples: what a processor's cache holds."""

Values = NDArray[np.float64]


class Replicates(NamedTuple):
    """Metrics of every resample, (resamples,) each, fractions in [0, 1]; FPR95 in the convention `clipn`."""

    auroc: Values
    fpr95: Values
    aupr_id: Values
    aupr_ood: Values


def resamples(images: int, count: int, name: str, seed: int = 0) -> NDArray[np.uint8]:
    """Draw `images` images with replacement, `count` times over.

    Fewer resamples are the first of more. Two sets that are compared need different names, one set always the same
    name and the same order of images.

    Args:
        images: size of the image set.
        count: number of resamples.
        name: of the image set; chooses, with the seed, the stream of random numbers.
        seed: another one gives other resamples of all sets.

    Returns:
        (count, images) how often each image was drawn; rows sum to `images`. No image comes near 255 draws.

    Raises:
        ClipnError: no images, or no resamples.
    """
    if images < 1 or count < 1:
        raise ClipnError(f"bootstrap of {name}: {images} images and {count} resamples; both must be at least 1")
    # Python's own hash of a text is another one in every process.
    draw = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest())])
    counts = np.empty((count, images), np.uint8)
    for row in counts:
        row[:] = np.bincount(draw.integers(images, size=images), minlength=images)
    return counts


def replicate(
    id_scores: ArrayLike, ood_scores: ArrayLike, id_counts: NDArray[np.uint8], ood_counts: NDArray[np.uint8]
) -> Replicates:
    """Metrics of every resample, each as if computed from the scores repeated by their counts; sorted only once.

    Args:
        id_scores: (n,), higher = more ID.
        ood_scores: (m,).
        id_counts: (resamples, n) as drawn by `resamples`.
        ood_counts: (resamples, m).

    Raises:
        ClipnError: counts that do not fit the scores or each other; empty scores, NaN or infinity.
    """
    ranking = rank(id_scores, ood_scores)
    id_images = int(ranking.is_id.sum())
    ood_images = len(ranking.order) - id_images
    if (id_counts.shape, ood_counts.shape) != ((len(id_counts), id_images), (len(id_counts), ood_images)):
        raise ClipnError(
            f"bootstrap: counts of shapes {id_counts.shape} and {ood_counts.shape} do not fit {id_images} ID and "
            f"{ood_images} OOD scores; draw both with the same number of resamples"
        )
    read, blocks = CONVENTIONS[CONVENTION].read, []
    # In blocks that stay in the processor's cache, which running sums of all resamples at once would not.
    step = max(1, BLOCK // len(ranking.order))
    for start in range(0, len(id_counts), step):
        rows = slice(start, start + step)
        curve = ranking.curve(np.concatenate([id_counts[rows], ood_counts[rows]], axis=1))
        fpr95 = np.array([read(Curve(*row), RECALL) for row in zip(curve.true, curve.false, strict=True)])
        blocks.append(np.stack([curve.area(), fpr95, curve.average_precision(), curve.reversed().average_precision()]))
    return Replicates(*np.concatenate(blocks, axis=1))


def interval(replicates: Values, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of a metric over resampled images, not over seeds.

    Args:
        replicates: (resamples,) values of the metric; a mean over OOD sets or seeds is one value per resample.
        level: share of the resamples inside.

    Returns:
        Lower and upper end.

    Raises:
        ClipnError: no replicates, or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ClipnError(f"level of interval {level}: expected a fraction between 0 and 1")
    if np.ndim(replicates) != 1 or np.size(replicates) == 0:
        raise ClipnError(f"replicates of shape {np.shape(replicates)}: expected one value per resample")
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def difference(replicates: Values, others: Values, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of `replicates` minus `others`, paired: both of the same resamples of the same images.

    What both methods find hard cancels out, so that it is narrower than their two intervals suggest; it leaves out 0
    where one method is better on almost all resamples.

    Raises:
        ClipnError: different numbers of resamples, none, or a level outside (0, 1).
    """
    if np.shape(replicates) != np.shape(others):
        raise ClipnError(
            f"difference of replicates of shapes {np.shape(replicates)} and {np.shape(others)}: draw the same resamples"
        )
    return interval(replicates - others, level)
