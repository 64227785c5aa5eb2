"""Out-of-distribution scores and threshold-free decisions from cached logits, as pure functions.

Every score takes `yes_logits` and `no_logits`, (n, classes), scale x cosine, torch or NumPy, and returns
(n,) float64 of the same kind, higher = more in-distribution. Baselines ignore `no_logits`, which may be None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, logsumexp

from clipn.errors import ClipnError

Array = NDArray[np.float64]
Logits = Any
"""(n, classes) torch tensor or NumPy array."""


def _msp(yes: Array, no: Array, logit_scale: float) -> Array:
    """Maximum softmax probability at the given scale (the released code: 100)."""
    return np.asarray(np.exp(log_softmax(yes, axis=1).max(axis=1)))


def _msp_log_odds(yes: Array, no: Array) -> Array:
    rows = np.arange(len(yes))
    winner = yes.argmax(axis=1)
    others = yes.copy()
    others[rows, winner] = -np.inf
    return np.asarray(yes[rows, winner] - logsumexp(others, axis=1)) if yes.shape[1] > 1 else np.zeros(len(yes))


def _max_logit(yes: Array, no: Array, logit_scale: float) -> Array:
    return np.asarray(yes.max(axis=1))


def _energy(yes: Array, no: Array, logit_scale: float) -> Array:
    """Negative free energy: log-sum-exp of the logits."""
    return np.asarray(logsumexp(yes, axis=1))


def _mcm(yes: Array, no: Array, logit_scale: float) -> Array:
    """Maximum concept matching (Ming et al., NeurIPS 2022): softmax of the cosines at temperature 1."""
    return np.asarray(np.exp(log_softmax(yes / logit_scale, axis=1).max(axis=1)))


def _ctw_log_odds(yes: Array, no: Array) -> Array:
    rows = np.arange(len(yes))
    winner = yes.argmax(axis=1)
    return np.asarray(yes[rows, winner] - no[rows, winner])


def _ctw(yes: Array, no: Array, logit_scale: float) -> Array:
    """Competing to win: 1 - p_no of the class with the highest "yes" probability (paper Eq. 7)."""
    return np.asarray(expit(_ctw_log_odds(yes, no)))


def _atd_log_odds(yes: Array, no: Array) -> Array:
    log_p = log_softmax(yes, axis=1)
    known = logsumexp(log_p + log_expit(yes - no), axis=1)
    unknown = logsumexp(log_p + log_expit(no - yes), axis=1)
    return np.asarray(known - unknown)


def _atd(yes: Array, no: Array, logit_scale: float) -> Array:
    """Agreeing to differ: the mass left to the known classes, sum_j p_j (1 - p_no_j) (paper Eq. 8).

    Taken as the sigmoid of its log-odds, so that it stays exact where the plain sum rounds to 0 or 1.
    """
    return np.asarray(expit(_atd_log_odds(yes, no)))


@dataclass(frozen=True)
class Score:
    """A method: callable as `score(yes_logits, no_logits, logit_scale=100.0)`."""

    name: str
    label: str
    function: Callable[[Array, Array, float], Array]
    needs_no: bool = False
    log_odds: Callable[[Array, Array], Array] | None = None

    def __call__(self, yes_logits: Logits, no_logits: Logits | None = None, logit_scale: float = 100.0) -> Any:
        """Scores (n,) float64, higher = more in-distribution; logits as in the module's description.

        Raises:
            ClipnError: the method needs `no_logits` and got none, shapes differ, or a logit is not finite.
        """
        yes, no = self._checked(yes_logits, no_logits)
        return _like(self.function(yes, no, logit_scale), yes_logits)

    def ranking(self, yes_logits: Logits, no_logits: Logits | None = None, logit_scale: float = 100.0) -> Any:
        """The same order without ties by saturation: log-odds of a probability, else the score itself.

        A probability in float64 is 1 for every logit gap above 37; its log-odds tell such images apart.
        """
        if self.log_odds is None:
            return self(yes_logits, no_logits, logit_scale)
        return _like(self.log_odds(*self._checked(yes_logits, no_logits)), yes_logits)

    def _checked(self, yes_logits: Logits, no_logits: Logits | None) -> tuple[Array, Array]:
        if self.needs_no and no_logits is None:
            raise ClipnError(f"method {self.name}: needs the logits of a `no` text tower")
        return _both(yes_logits, yes_logits if no_logits is None else no_logits)


SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score("msp", "MSP", _msp, log_odds=_msp_log_odds),
        Score("max_logit", "MaxLogit", _max_logit),
        Score("energy", "Energy", _energy),
        Score("mcm", "MCM", _mcm),
        Score("ctw", "CLIPN-CTW", _ctw, needs_no=True, log_odds=_ctw_log_odds),
        Score("atd", "CLIPN-ATD", _atd, needs_no=True, log_odds=_atd_log_odds),
    )
}


def _accepts_ctw(yes: Array, no: Array) -> NDArray[np.bool_]:
    """Paper Eq. 7: unless p_no of the winning class exceeds 1 - p_no."""
    return np.asarray(_ctw_log_odds(yes, no) >= 0)


def _accepts_atd(yes: Array, no: Array) -> NDArray[np.bool_]:
    """Paper Eq. 9: unless the unknown class, sum_j p_j p_no_j, exceeds every shrunk probability p_j (1 - p_no_j)."""
    log_p = log_softmax(yes, axis=1)
    return np.asarray((log_p + log_expit(yes - no)).max(axis=1) >= logsumexp(log_p + log_expit(no - yes), axis=1))


def _accepts_atd_original(yes: Array, no: Array) -> NDArray[np.bool_]:
    """The other reading of Eq. 9: the unknown class against every original p_j; a single class is always accepted."""
    log_p = log_softmax(yes, axis=1)
    return np.asarray(log_p.max(axis=1) >= logsumexp(log_p + log_expit(no - yes), axis=1))


@dataclass(frozen=True)
class Rule:
    """A threshold-free decision between known classes and everything else."""

    name: str
    label: str
    function: Callable[[Array, Array], NDArray[np.bool_]]


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("ctw", "CLIPN-CTW", _accepts_ctw),
        Rule("atd", "CLIPN-ATD", _accepts_atd),
        Rule("atd_original", "CLIPN-ATD, original p", _accepts_atd_original),
    )
}


def accepts(rule: str, yes_logits: Logits, no_logits: Logits) -> Any:
    """Threshold-free decision, (n,) bool, True = in-distribution.

    `ctw` and `atd` are the paper's Eq. 7 and 9. Eq. 9 can be read in two ways: `atd` compares the unknown class
    with the shrunk probabilities, `atd_original` with the original ones.

    Raises:
        ClipnError: unknown rule or bad logits.
    """
    if rule not in RULES:
        raise ClipnError(f"rule {rule!r}: choose one of {', '.join(RULES)}")
    return _like(RULES[rule].function(*_both(yes_logits, no_logits)), yes_logits)


def _both(yes_logits: Logits, no_logits: Logits) -> tuple[Array, Array]:
    yes, no = _checked(yes_logits, "yes_logits"), _checked(no_logits, "no_logits")
    if no.shape != yes.shape:
        raise ClipnError(f"no_logits: shape {no.shape} is not that of yes_logits, {yes.shape}")
    return yes, no


def _checked(logits: Logits, name: str) -> Array:
    array = np.asarray(logits.detach().cpu().double() if hasattr(logits, "detach") else logits, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ClipnError(f"{name}: expected (n, classes), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ClipnError(f"{name}: holds NaN or infinity; check the features they were made from")
    return array


def _like(values: NDArray[Any], example: Logits) -> Any:
    if not hasattr(example, "detach"):
        return values
    import torch

    return torch.from_numpy(values).to(example.device)
