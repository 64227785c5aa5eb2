"""ATD: agreeing to differ (Wang et al., ICCV 2023), the mass left to the known classes, sum_j p_j (1 - p_no_j)."""

import numpy as np
from numpy.typing import NDArray

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the known classes' mass (paper Eq. 8)."""
    return evidence.open_set.known - evidence.open_set.unknown


def accepts(evidence: Evidence) -> NDArray[np.bool_]:
    """Paper Eq. 9: unless the unknown class, sum_j p_j p_no_j, exceeds every shrunk p_j (1 - p_no_j); (n,)."""
    return evidence.open_set.best >= evidence.open_set.unknown


def accepts_by_original(evidence: Evidence) -> NDArray[np.bool_]:
    """The other reading of Eq. 9: the unknown class against every original p_j; a single class is always accepted."""
    return evidence.open_set.unknown <= 0
