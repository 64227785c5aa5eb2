"""CSP (Chen et al., NeurIPS 2024): NegLabel's score with the words of a conjugated semantic pool."""

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array
from clipn.scores.neglabel import grouped_log_odds


def log_odds(evidence: Evidence) -> Array:
    """Log-odds (n,) of the ID labels' softmax mass against a group of negative labels, mean over the groups."""
    return grouped_log_odds(evidence.csp_labels, evidence.csp_negatives)
