"""CTW: competing to win (Wang et al., ICCV 2023), 1 - p_no of the class with the highest "yes" probability."""

import numpy as np
from numpy.typing import NDArray

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of 1 - p_no of the winner: its "yes" logit less its "no" logit (paper Eq. 7)."""
    return evidence.yes.top - evidence.yes.of_winner(evidence.no)


def accepts(evidence: Evidence) -> NDArray[np.bool_]:
    """Paper Eq. 7: unless p_no of the winner exceeds 1 - p_no; (n,)."""
    return log_odds(evidence) >= 0
