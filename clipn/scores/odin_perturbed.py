"""ODIN (Liang et al., ICLR 2018) in full: softmax at a high temperature, of perturbed images."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array
from clipn.scores.odin import TEMPERATURE


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the winner's probability."""
    return evidence.perturbed.log_odds(TEMPERATURE)
