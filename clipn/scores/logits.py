"""One matrix of logits with its maxima, gaps and sums of exponentials, each computed once for all methods."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]

TINY = 1e-290
"""A sum of exponentials above this has lost nothing to underflow."""


class Logits:
    """Logits (n, classes) of n images, and what a softmax over the classes is made of.

    The winner is the class of highest logit, the first of equal ones. Exponentials are taken of the gap to the
    winner, and the winner's own, 1, is never part of a sum: what the others weigh stays exact beside it.

    Args:
        values: (n, classes) float64, finite.
    """

    def __init__(self, values: Array) -> None:
        self.values = values

    @cached_property
    def winner(self) -> NDArray[np.intp]:
        """Class of highest logit, (n,)."""
        return np.asarray(self.values.argmax(axis=1))

    @cached_property
    def top(self) -> Array:
        """Logit of the winner, (n,)."""
        return self.of_winner(self.values)

    @cached_property
    def gaps(self) -> Array:
        """Logits less the winner's, (n, classes), at most 0."""
        return self.values - self.top[:, None]

    @cached_property
    def weights(self) -> Array:
        """Exponential of the gaps, (n, classes): probabilities in units of the winner's."""
        return np.exp(self.gaps)

    @cached_property
    def others(self) -> Array:
        """What all classes but the winner weigh together, (n,)."""
        return self._without_winner(self.weights)

    @cached_property
    def log_others(self) -> Array:
        """Logarithm of `others`, (n,), also where those underflow; minus infinity for a single class."""
        return self._log(self.others, 1.0)

    @cached_property
    def log_sum_exp(self) -> Array:
        """Log-sum-exp of the logits, (n,)."""
        return self.top + np.log1p(self.others)

    def of_winner(self, matrix: Array) -> Array:
        """Entry (n,) of the winner in every row of a matrix (n, classes)."""
        return matrix[self._rows, self.winner]

    def log_odds(self, temperature: float = 1.0) -> Array:
        """Log-odds (n,) of the winner's softmax probability; of a single class the largest finite number."""
        if temperature == 1:
            log_others = self.log_others
        else:
            weights = self.gaps / temperature
            log_others = self._log(self._without_winner(np.exp(weights, out=weights)), temperature)
        # Metrics refuse infinity, which is what the log-odds of a single class are.
        return np.minimum(-log_others, np.finfo(np.float64).max)

    def _log(self, others: Array, temperature: float) -> Array:
        def exact(rows: NDArray[np.intp]) -> Array:
            gaps = self.gaps[rows] / temperature
            # exp(-inf) is 0: the winner takes no part in the sum.
            gaps[np.arange(len(rows)), self.winner[rows]] = -np.inf
            return np.asarray(logsumexp(gaps, axis=1))

        with np.errstate(divide="ignore"):
            return repaired(np.log(others), others > TINY, exact)

    def _without_winner(self, weights: Array) -> Array:
        """Sum (n,) of weights (n, classes) in which the winner's entry is 1."""
        # The winner is left out of the sum, not taken off it: 1 would swallow the last digits of small others.
        weights[self._rows, self.winner] = 0
        others = weights.sum(axis=1)
        weights[self._rows, self.winner] = 1
        return np.asarray(others)

    @property
    def _rows(self) -> NDArray[np.intp]:
        return np.arange(len(self.values))


def repaired(values: Array, sound: NDArray[np.bool_], exact: Callable[[NDArray[np.intp]], Array]) -> Array:
    """`values` (..., n) with the columns that are not `sound` (n,) replaced by `exact` of their numbers, in place."""
    if not sound.all():
        rows = np.flatnonzero(~sound)
        values[..., rows] = exact(rows)
    return values
