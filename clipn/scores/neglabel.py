"""NegLabel: ID labels against negative ones (Jiang et al., ICLR 2024)."""

import numpy as np
from scipy.special import expit, log_expit, logsumexp

from clipn.scores.evidence import Evidence
from clipn.scores.logits import TINY, Array, Logits, repaired

PROMPTS = "nice"
"""Prompt pool of the ID labels and the negative ones."""
GROUPS = 100
"""Into how many groups the negative labels go, as in the authors' code."""
BLOCK = 16
"""Images worked on at once: the exponentials of their 10,000 negative labels fit into a processor's cache."""


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the ID labels' softmax mass against a group of negative labels, mean over the groups."""
    return grouped_log_odds(evidence.labels, evidence.negatives)


def grouped_log_odds(labels: Logits, negatives: Array) -> Array:
    """The same (n,), of logits of ID labels (n, classes) and of negative labels (n, m)."""
    against = labels.log_sum_exp[:, None] - _log_sum_exp_of_groups(negatives)
    # The mean of sigmoids s against its complement, the mean of 1 - s; the number of groups cancels.
    return _log_sum_of_sigmoids(against) - _log_sum_of_sigmoids(-against)


def _log_sum_of_sigmoids(values: Array) -> Array:
    """Logarithm (n,) of the sum over every row of values (n, groups)."""
    sums = expit(values).sum(axis=1)
    with np.errstate(divide="ignore"):
        return repaired(np.log(sums), sums > TINY, lambda rows: logsumexp(log_expit(values[rows]), axis=1))


def _log_sum_exp_of_groups(negatives: Array) -> Array:
    """Log-sum-exp (n, groups) of consecutive labels (n, m); those left over join no group, as in the authors' code."""
    images, labels = negatives.shape
    groups = min(GROUPS, labels)
    size = labels // groups
    grouped = negatives[:, : groups * size].reshape(images, groups, size)
    # At least one block, as no images at all have to give an array, too.
    blocks = (grouped[start : start + BLOCK] for start in range(0, max(images, 1), BLOCK))
    return np.concatenate([_log_sum_exp(block) for block in blocks])


def _log_sum_exp(grouped: Array) -> Array:
    """Log-sum-exp over the last of three dimensions, by exponentials of the gap to an image's highest logit."""
    # One maximum for all groups of an image costs less than one each; groups that it makes underflow are repaired.
    top = grouped.max(axis=(1, 2), keepdims=True)
    weights = grouped - top
    sums = np.exp(weights, out=weights).sum(axis=2)
    with np.errstate(divide="ignore"):
        logs = top[..., 0] + np.log(sums)
    flat = grouped.reshape(-1, grouped.shape[2])
    return repaired(logs.ravel(), sums.ravel() > TINY, lambda rows: Logits(flat[rows]).log_sum_exp).reshape(logs.shape)
