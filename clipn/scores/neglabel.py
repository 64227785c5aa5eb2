"""NegLabel: known labels against negative ones (Jiang et al., ICLR 2024)."""

import numpy as np
from scipy.special import log_expit, logsumexp

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array, Logits

GROUPS = 100
"""Into how many groups the negative labels go, as in the authors' code."""


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the known labels' softmax mass against a group of negative labels, mean over the groups."""
    against = evidence.labels.log_sum_exp[:, None] - _log_sum_exp_of_groups(evidence.negatives)
    return np.asarray(logsumexp(log_expit(against), axis=1) - logsumexp(log_expit(-against), axis=1))


def _log_sum_exp_of_groups(negatives: Array) -> Array:
    """Of consecutive labels, (n, groups); the labels left over belong to none, as in the authors' code."""
    images, labels = negatives.shape
    groups = min(GROUPS, labels)
    size = labels // groups
    grouped = negatives[:, : groups * size].reshape(images * groups, size)
    return Logits(grouped).log_sum_exp.reshape(images, groups)
