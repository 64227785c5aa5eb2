"""ReAct: energy of clipped activations (Sun et al., NeurIPS 2021), here of clipped image features."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def score(evidence: Evidence) -> Array:
    """Log-sum-exp (n,) of the logits of clipped image features."""
    return evidence.clipped.log_sum_exp
