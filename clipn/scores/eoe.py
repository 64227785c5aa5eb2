"""EOE (Cao et al., ICML 2024): ID labels against the names of outliers that a language model envisioned."""

import numpy as np

from clipn.scores.evidence import Evidence
from clipn.scores.logits import Array

BETA = 0.25
"""Weight of the outliers, as in the authors' code."""


def score(evidence: Evidence) -> Array:
    """Highest probability (n,) of an ID label less a quarter of the highest of an outlier; softmax of the cosines.

    Not as log-odds: cosines lie within -1 and 1, where no softmax at temperature 1 saturates.
    """
    labels, outliers = evidence.eoe_labels.top, evidence.eoe_outliers.top
    top = np.maximum(labels, outliers)
    total = sum(
        np.exp((logits.values - top[:, None]) / evidence.scale).sum(axis=1)
        for logits in (evidence.eoe_labels, evidence.eoe_outliers)
    )
    label, outlier = (np.exp((highest - top) / evidence.scale) for highest in (labels, outliers))
    return np.asarray((label - BETA * outlier) / total)
