"""MSP: maximum softmax probability (Hendrycks and Gimpel, ICLR 2017), at the logits' own scale."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the winner's probability."""
    return evidence.yes.log_odds()
