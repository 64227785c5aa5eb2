"""MCM: maximum concept matching (Ming et al., NeurIPS 2022), the softmax of the cosines at temperature 1."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the winner's probability."""
    return evidence.yes.log_odds(temperature=evidence.scale)
