"""The classes of an ID dataset as weights: what turns image features into the evidence that methods read."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from clipn.evaluation.detector import Detector
from clipn.features.negative_labels import read_negative_labels
from clipn.scores import Evidence

REACT_PERCENTILE = 0.9
"""Share of the activations that ReAct leaves as they are (Sun et al., NeurIPS 2021)."""


@dataclass(frozen=True)
class KnownClasses:
    """Weights by which features (n, d) become logits; all float64, on the CPU, multiplied by the logit scale.

    Attributes:
        scale: what multiplied the cosines.
        yes: (classes, d) of the "yes" tower.
        no: (classes, d) of the "no" tower.
        clip_at: largest activation that ReAct lets through.
        labels: (classes, d) under NegLabel's prompt.
        negatives: (m, d) of negative labels under NegLabel's prompt.
    """

    scale: float
    yes: Tensor
    no: Tensor | None = None
    clip_at: float | None = None
    labels: Tensor | None = None
    negatives: Tensor | None = None

    def evidence(self, features: Tensor, perturbed: Tensor | None = None) -> Evidence:
        """What is known of images.

        Args:
            features: unit-norm (n, d).
            perturbed: the same of the images as ODIN moved them.
        """
        features = features.double()
        return Evidence(
            (features @ self.yes.T).numpy(),
            None if self.no is None else (features @ self.no.T).numpy(),
            self.scale,
            clipped=None if self.clip_at is None else (features.clamp(max=self.clip_at) @ self.yes.T).numpy(),
            perturbed=None if perturbed is None else (perturbed.double() @ self.yes.T).numpy(),
            labels=None if self.labels is None else (features @ self.labels.T).numpy(),
            negatives=None if self.negatives is None else (features @ self.negatives.T).numpy(),
        )


def known_classes(
    detector: Detector, needs: Collection[str], id_features: Tensor, negative_labels: Path
) -> KnownClasses:
    """Weights for methods that need `needs`, keys of `clipn.scores.evidence.NEEDS`.

    Args:
        detector: model and classes.
        needs: what the methods need beside "yes" logits.
        id_features: (n, d) of the ID dataset, whose activations set ReAct's limit: without training images they are
            all that is known of ID. No label enters.
        negative_labels: file of `clipn.features.negative_labels`, read if it is needed.
    """
    scale = detector.logit_scale
    labels, negatives = read_negative_labels(negative_labels) if "negatives" in needs else (None, None)
    return KnownClasses(
        scale,
        scale * detector.yes_weights.cpu(),
        scale * detector.no_weights.cpu() if "no" in needs else None,
        _quantile(id_features, REACT_PERCENTILE) if "clipped" in needs else None,
        None if labels is None else scale * labels.double(),
        None if negatives is None else scale * negatives.double(),
    )


def _quantile(features: Tensor, share: float) -> float:
    """The value that a share of all entries does not exceed."""
    values = features.numpy().ravel()
    last = max(1, round(share * len(values))) - 1
    return float(np.partition(values, last)[last])
