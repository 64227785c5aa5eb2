"""LogitGap (NeurIPS 2025): how far the highest cosine is above those of the next classes."""

import numpy as np

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array

PERCENT = 20
"""Of the classes that count, the winner among them; rounded down, and at least the winner and the next."""


def score(evidence: Evidence) -> Array:
    """Highest cosine less the mean of the 2nd to N-th (n,); 0 for a single class."""
    gaps = evidence.yes.gaps
    classes = gaps.shape[1]
    if classes == 1:
        return np.zeros(len(gaps))
    # Whole numbers all the way: 20 % in floats may miss a whole number by a hair and lose a class.
    counted = max(2, classes * PERCENT // 100)
    # Gaps are the logits less the highest, so the winner's own, 0, adds nothing to the sum.
    nearest = np.partition(gaps, classes - counted, axis=1)[:, classes - counted :]
    return np.asarray(nearest.sum(axis=1) / ((1 - counted) * evidence.scale))
