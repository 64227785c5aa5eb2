"""Entropy: negative entropy of the softmax over the classes, in nats."""

import numpy as np

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def score(evidence: Evidence) -> Array:
    """Sum (n,) of p log p over the classes; 0 is certain.

    With w the weight of a class in units of the winner's, p is w / (1 + others) and log p is its gap less
    log(1 + others): two terms of one sign, in which nothing cancels.
    """
    yes = evidence.yes
    return np.asarray((yes.weights * yes.gaps).sum(axis=1) / (1 + yes.others) - np.log1p(yes.others))
