"""MaxLogit: the highest logit (Hendrycks et al., ICML 2022)."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array


def score(evidence: Evidence) -> Array:
    """Highest logit (n,)."""
    return evidence.yes.top
