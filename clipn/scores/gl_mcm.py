"""GL-MCM: MCM of the image plus that of its surest patch (Miyai et al., IJCV 2025), weighed alike as the authors do."""

import numpy as np
from scipy.special import expit

from clipn.scores import l_mcm, mcm
from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def score(evidence: Evidence) -> Array:
    """Sum (n,) of two probabilities of a class, between 0 and 2."""
    # At temperature 1 cosines are too near to each other for a probability that rounds to 0 or 1.
    return np.asarray(expit(mcm.log_odds(evidence)) + expit(l_mcm.log_odds(evidence)))
