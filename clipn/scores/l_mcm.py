"""L-MCM: MCM of the patch that is surest of a class (Miyai et al., IJCV 2025)."""

import numpy as np

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the highest probability that a patch gives a class."""
    return np.asarray(evidence.local.max(axis=1))
