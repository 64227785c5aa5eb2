"""The (C + 1)-way distribution of ATD: every ID class shrunk by its own "no", and an OOD class."""

from typing import NamedTuple

import numpy as np
from scipy.special import log_expit, logsumexp

from clipn.scores.logits import TINY, Array, Logits, repaired


class OpenSet(NamedTuple):
    """Logarithms (n,) of probabilities, in units of the winner's p, so that log p of the winner is 0."""

    log_id: Array
    """All ID classes: sum_j p_j (1 - p_no_j)."""

    log_best: Array
    """The best of them: max_j p_j (1 - p_no_j)."""

    log_ood: Array
    """The OOD class: sum_j p_j p_no_j."""


def open_set(yes: Logits, no: Array) -> OpenSet:
    """Shrink the probabilities of "yes" logits by "no" logits (n, classes) (paper Eq. 8).

    With y = exp(yes) and n = exp(no), both in units of the winner's y, 1 - p_no is y / (y + n).
    """
    # Exponentials that overflow or vanish need no warning: their images are repaired below.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # In place, here and below: what a batch of images needs shall fit into the processor's cache.
        opposed = no - yes.top[:, None]
        np.exp(opposed, out=opposed)
        share = opposed + yes.weights
        np.divide(yes.weights, share, out=share)
        id_mass, ood_mass = np.vecdot(yes.weights, share), np.vecdot(opposed, share)
        share *= yes.weights
        masses = np.stack([id_mass, share.max(axis=1), ood_mass])
        sound = masses.min(axis=0) > TINY
        logs = repaired(np.log(masses), sound, lambda rows: _exact(yes.gaps[rows], no[rows] - yes.values[rows]))
    return OpenSet(*logs)


def _exact(gaps: Array, difference: Array) -> Array:
    """The three logarithms (3, n) for logits so far apart that their exponentials leave float64."""
    shrunk = gaps + log_expit(-difference)
    log_ood = logsumexp(gaps + log_expit(difference), axis=1)
    return np.stack([logsumexp(shrunk, axis=1), shrunk.max(axis=1), log_ood])
