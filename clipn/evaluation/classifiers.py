"""The weights of an ID dataset's classes: they turn image features into the logits that methods read."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clipn.evaluation.detector import Detector
from clipn.features.negative_labels import read_negative_labels
from clipn.scores import Evidence
from clipn.scores.logits import Array

REACT_PERCENTILE = 0.9
"""Share of the activations that ReAct leaves as they are (Sun et al., NeurIPS 2021)."""


@dataclass(frozen=True)
class IDClassifier:
    """Weights by which features (n, d) become logits; all float64, multiplied by the logit scale.

    Attributes:
        scale: what multiplied the cosines.
        yes: (classes, d) of the "yes" tower.
        no: (classes, d) of the "no" tower.
        clip_at: largest activation that ReAct lets through.
        labels: (classes, d) under NegLabel's prompt.
        negatives: (m, d) of negative labels under NegLabel's prompt.
    """

    scale: float
    yes: Array
    no: Array | None = None
    clip_at: float | None = None
    labels: Array | None = None
    negatives: Array | None = None

    def evidence(self, features: NDArray[np.floating], perturbed: NDArray[np.floating] | None = None) -> Evidence:
        """All logits of some images.

        Args:
            features: unit-norm (n, d).
            perturbed: the same of the images as ODIN moved them.
        """
        # In float32 the products would round away the last digits that tell nearly equal images apart.
        features = features.astype(np.float64)
        return Evidence(
            features @ self.yes.T,
            None if self.no is None else features @ self.no.T,
            self.scale,
            clipped=None if self.clip_at is None else np.minimum(features, self.clip_at) @ self.yes.T,
            perturbed=None if perturbed is None else perturbed.astype(np.float64) @ self.yes.T,
            labels=None if self.labels is None else features @ self.labels.T,
            negatives=None if self.negatives is None else features @ self.negatives.T,
        )


def id_classifier(
    detector: Detector, needs: Collection[str], id_features: Tensor, negative_labels: Path
) -> IDClassifier:
    """The weights that methods with `needs`, keys of `clipn.scores.evidence.NEEDS`, take.

    Args:
        detector: model and ID classes.
        needs: what the methods need beside "yes" logits.
        id_features: (n, d) of the ID dataset. Their activations set ReAct's limit, since there are no training images
            at hand; labels are not used.
        negative_labels: file of `clipn.features.negative_labels`, read only if a method needs it.
    """
    scale = detector.logit_scale
    clip_at = None
    if "clipped" in needs:
        # torch.quantile would interpolate between two entries; the limit is an activation that occurs.
        activations = id_features.numpy().ravel()
        last_kept = max(1, round(REACT_PERCENTILE * len(activations))) - 1
        clip_at = float(np.partition(activations, last_kept)[last_kept])
    labels, negatives = read_negative_labels(negative_labels) if "negatives" in needs else (None, None)
    return IDClassifier(
        scale,
        scale * detector.yes_weights.cpu().numpy(),
        # Reading `no_weights` encodes all class texts a second time, so it is read only where a method needs it.
        scale * detector.no_weights.cpu().numpy() if "no" in needs else None,
        clip_at,
        None if labels is None else scale * labels.double().numpy(),
        None if negatives is None else scale * negatives.double().numpy(),
    )
