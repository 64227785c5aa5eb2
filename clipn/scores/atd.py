"""ATD: agreeing to differ (Wang et al., ICCV 2023), the mass left to the ID classes, sum_j p_j (1 - p_no_j)."""

import numpy as np
from numpy.typing import NDArray

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the ID classes' mass (paper Eq. 8)."""
    return evidence.open_set.log_id - evidence.open_set.log_ood


def accepts(evidence: Evidence) -> NDArray[np.bool_]:
    """Paper Eq. 9: unless the OOD class, sum_j p_j p_no_j, exceeds every shrunk p_j (1 - p_no_j); (n,)."""
    return evidence.open_set.log_best >= evidence.open_set.log_ood


def accepts_by_original(evidence: Evidence) -> NDArray[np.bool_]:
    """The other reading of Eq. 9: the OOD class against every original p_j; a single class is always accepted."""
    # The largest original p_j is the winner's, whose logarithm is 0 in these units.
    return evidence.open_set.log_ood <= 0
