"""Energy: negative free energy (Liu et al., NeurIPS 2020), the log-sum-exp of the logits."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def score(evidence: Evidence) -> Array:
    """Log-sum-exp (n,) of the logits."""
    return evidence.yes.log_sum_exp
