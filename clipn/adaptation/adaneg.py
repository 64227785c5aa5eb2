"""AdaNeg: NegLabel, and the same with proxies that learn from the test stream (Zhang & Zhang, NeurIPS 2024)."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, expit, log_expit, logsumexp, softmax

from clipn.adaptation.memory import Array, Memory

GROUPS = 5
"""Into how many groups the negative labels go."""
GAP = 0.5
"""How far beyond 0.5 NegLabel's score must be, as a share of the way to 1 or 0, for an image to be remembered."""
WEIGHT = 0.1
"""Of the proxies' score beside NegLabel's."""


def scores(
    features: NDArray[np.floating],
    labels: NDArray[np.floating],
    negatives: NDArray[np.floating],
    batch: int,
    logit_scale: float = 100.0,
    weights: tuple[float, float] = (1.0, WEIGHT),
) -> Array:
    """Scores (n,) of a stream of images, higher = more in-distribution.

    A batch is scored by NegLabel; its images beyond the gap go into the memory of the class of their highest logit, ID
    or negative, those of lowest entropy over the ID labels, or over the negative ones, staying there; then the batch
    is scored again, by the cosines with the memory's proxies. So an image's score depends on those before it, and on
    all of its batch. The score is NegLabel's plus 0.1 of the proxies', given as the log-odds of its share of the
    largest possible one: the same order, without ties by saturation.

    Where sources are open or differ: groups are consecutive labels, whose order is random, and those left over belong
    to none; proxies are weighted for each image, not plain means; entropies are exact; beta is 5.5, and not cut to a
    whole number (docs/methods.md).

    Args:
        features: unit-norm (n, d), in the order of the stream.
        labels: unit-norm (classes, d).
        negatives: unit-norm (m, d).
        batch: images that come at once.
        logit_scale: what multiplies cosines.
        weights: of NegLabel's score and of the proxies'; the authors' code has (0.1, 1).
    """
    memory = Memory(np.concatenate([labels, negatives]).astype(np.float64))
    batches = (features[start : start + batch].astype(np.float64) for start in range(0, len(features), batch))
    odds = [_log_odds(memory, len(labels), images, logit_scale) for images in batches]
    return _log_odds_of_mean(np.concatenate(odds), np.repeat(weights, odds[0].shape[1] // 2))


def _log_odds(memory: Memory, classes: int, images: Array, logit_scale: float) -> Array:
    """Log-odds (n, 2 groups) of the ID labels against groups of negative ones: of the texts, then of the proxies."""
    logits = logit_scale * (images @ memory.texts.T)
    of_texts = _against_groups(logits, classes)
    id_share = expit(of_texts).mean(axis=1)
    remembered = ((0, classes, id_share > 0.5 + 0.5 * GAP), (classes, None, id_share < 0.5 - 0.5 * GAP))
    for first, last, is_sure in remembered:
        own = logits[is_sure, first:last]
        entropies = entr(softmax(own, axis=1)).sum(axis=1)
        for image, winner, entropy in zip(images[is_sure], own.argmax(axis=1), entropies, strict=True):
            memory.admit(first + int(winner), image, float(entropy))
    # The proxy of a class without images is its text.
    logits[:, memory.with_images] = logit_scale * memory.cosines(images)
    return np.concatenate([of_texts, _against_groups(logits, classes)], axis=1)


def _against_groups(logits: Array, classes: int) -> Array:
    """Log-odds (n, groups) of the first `classes` labels in the softmax over them and a group of the others."""
    images, labels = logits.shape
    groups = min(GROUPS, labels - classes)
    size = (labels - classes) // groups
    grouped = logits[:, classes : classes + groups * size].reshape(images, groups, size)
    return _log_sum_exp(logits[:, None, :classes]) - _log_sum_exp(grouped)


def _log_sum_exp(logits: Array) -> Array:
    """Log-sum-exp over the last dimension; SciPy's own takes more passes over the 10,000 negative labels."""
    top = logits.max(axis=-1, keepdims=True)
    weights = logits - top
    return np.asarray(top[..., 0] + np.log(np.exp(weights, out=weights).sum(axis=-1)))


def _log_odds_of_mean(log_odds: Array, weights: Array) -> Array:
    """Log-odds (n,) of the weighted mean of the probabilities whose log-odds (n, k) are given."""
    mass, rest = (logsumexp(log_expit(signed), axis=1, b=weights) for signed in (log_odds, -log_odds))
    return np.asarray(mass - rest)
