"""ODIN (Liang et al., ICLR 2018) without its input perturbation: softmax at a high temperature."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array

TEMPERATURE = 1000.0
"""What divides the logits, as in the paper."""


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the winner's probability."""
    return evidence.yes.log_odds(TEMPERATURE)
