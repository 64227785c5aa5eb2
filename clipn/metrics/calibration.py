"""What class probabilities are worth: how far the confidence is the accuracy, and at which temperature it would be."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from clipn.errors import ClipnError

Array = NDArray[np.float64]

BINS = 15
"""Of equal width, between 0 and 1 (Guo et al., ICML 2017)."""
EDGES = np.linspace(0, 1, BINS + 1)
COLDEST, HOTTEST = 0.01, 100.0
"""Temperatures between which the best one is looked for."""
BLOCK = 256
"""Images whose probabilities are computed at once: those of 1,000 classes take 2 MB, which stay near the processor."""


class ImageCalibration(NamedTuple):
    """What the softmax probabilities of n images are worth, (n,) each; NaN for images without a label, where it counts.

    Attributes:
        confidence: largest probability.
        nll: negative log-likelihood of the label, in nats.
        brier: squared distance between the probabilities and the label's one-hot vector, in [0, 2] (Brier, 1950).
    """

    confidence: Array
    nll: Array
    brier: Array


def image_calibration(logits: Array, labels: NDArray[np.integer]) -> ImageCalibration:
    """What the softmax of each image's logits is worth.

    Args:
        logits: (n, classes), scale x cosine.
        labels: (n,) true classes; negative for images without one.

    Raises:
        ClipnError: there are more labels than images, or fewer, or a label that is no class.
    """
    _require_labels(logits, labels)
    log_probabilities = log_softmax(logits, axis=1)
    probabilities = np.exp(log_probabilities)
    # A negative label picks some class; what is made of it is not kept.
    rows, is_known = np.arange(len(labels)), labels >= 0
    distance = (probabilities**2).sum(axis=1) - 2 * probabilities[rows, labels] + 1
    return ImageCalibration(
        probabilities.max(axis=1, initial=0),
        np.where(is_known, -log_probabilities[rows, labels], np.nan),
        np.where(is_known, distance, np.nan),
    )


def bins_of(confidence: Array) -> NDArray[np.intp]:
    """Bin (n,), 0..`BINS` - 1, of each confidence; a bin holds its upper edge, and not its lower one."""
    return np.searchsorted(EDGES[1:-1], confidence)


def expected_calibration_error(confidence: Array, is_right: NDArray[np.bool_]) -> float:
    """Distance between accuracy and mean confidence, averaged over the images of all bins; fraction in [0, 1].

    Eq. 3 of Guo et al., ICML 2017.

    Args:
        confidence: (n,) largest probability.
        is_right: (n,) whether its class is the true one.

    Raises:
        ClipnError: there are no images, or more of one than of the other.
    """
    if confidence.shape != is_right.shape or confidence.size == 0:
        raise ClipnError(f"calibration: {confidence.size} confidences of {is_right.size} images; give one for each")
    return float(np.abs(np.bincount(bins_of(confidence), weights=is_right - confidence)).sum() / confidence.size)


def best_temperature(logits: Array, labels: NDArray[np.integer]) -> float | None:
    """The temperature by which logits are divided when their negative log-likelihood is least (Guo et al., Section 4).

    It is chosen on the very images that it is told of, so it is a diagnosis and no result: above 1 the softmax is too
    sure of itself, below 1 not sure enough.

    Args:
        logits: (n, classes), scale x cosine.
        labels: (n,) true classes; negative for images without one, which do not count.

    Returns:
        None where there is no least value between `COLDEST` and `HOTTEST`: without labels, where all predictions are
        right by far, or where they are worse than chance.

    Raises:
        ClipnError: there are more labels than images, or fewer, or a label that is no class.
    """
    _require_labels(logits, labels)
    rows = np.flatnonzero(labels >= 0)
    blocks = np.array_split(rows, math.ceil(len(rows) / BLOCK)) if len(rows) else []

    def too_sure(log_temperature: float) -> float:
        """Derivative of the likelihood by the inverse temperature: expected less true logit, on average."""
        inverse, excess = math.exp(-log_temperature), 0.0
        for block in blocks:
            values = logits[block]
            expected = (softmax(inverse * values, axis=1) * values).sum(axis=1)
            excess += float((expected - values[np.arange(len(block)), labels[block]]).sum())
        return excess

    # The likelihood is convex in the inverse temperature, so there is one root at most.
    ends = math.log(COLDEST), math.log(HOTTEST)
    if not too_sure(ends[0]) > 0 > too_sure(ends[1]):
        return None
    return math.exp(brentq(too_sure, *ends))


def _require_labels(logits: Array, labels: NDArray[np.integer]) -> None:
    if len(labels) != len(logits):
        raise ClipnError(f"labels: {len(labels)} of {len(logits)} images; give one for each")
    if len(labels) and labels.max() >= logits.shape[1]:
        raise ClipnError(f"labels: {labels.max()} is none of {logits.shape[1]} classes; index the dataset again")
