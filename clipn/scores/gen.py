"""GEN: generalised entropy of the most probable classes (Liu et al., CVPR 2023), negated."""

import numpy as np

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array

GAMMA = 0.1
CLASSES = 100
"""How many of the most probable classes count; all where there are fewer."""


def score(evidence: Evidence) -> Array:
    """Minus the sum (n,) of p^gamma (1 - p)^gamma over the most probable classes; 0 is certain.

    With w the weight of a class in units of the winner's, p is w / (1 + others) and 1 - p is
    (others + 1 - w) / (1 + others), in which nothing cancels.
    """
    yes = evidence.yes
    dropped = max(yes.gaps.shape[1] - CLASSES, 0)
    gaps = np.partition(yes.gaps, dropped, axis=1)[:, dropped:]
    # The winner's `others` may have underflowed to 0; `log_others` is exact there, and takes its place below.
    with np.errstate(divide="ignore"):
        against = np.log(yes.others[:, None] - np.expm1(gaps))
    against = np.where(gaps == 0, yes.log_others[:, None], against)
    logs = gaps + against - 2 * np.log1p(yes.others)[:, None]
    return np.asarray(-np.exp(GAMMA * logs).sum(axis=1))
