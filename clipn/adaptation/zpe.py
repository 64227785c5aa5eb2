"""ZPE: weights of the prompts of a pool, found on unlabelled test images (Allingham et al., ICML 2023)."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from clipn.adaptation.memory import Array

BLOCK = 1024
"""Images whose logits under one prompt are in memory at once; nothing depends on it."""


def prompt_weights(
    features: NDArray[np.floating],
    texts: NDArray[np.floating],
    pretraining: NDArray[np.floating],
    logit_scale: float = 100.0,
) -> Array:
    """Weights (prompts,) with sum 1, larger for prompts under which images stand out as some class.

    A prompt is as good as the mean over test images of their highest logit, each logit less the mean of its class over
    pretraining images and test images, half of each; the weights are the softmax of that. As in the authors' code,
    logits are multiplied by the model's scale, and the softmax has no temperature of its own.

    Args:
        features: unit-norm (n, d) of all test images, ID and OOD, in any order.
        texts: unit-norm (prompts, classes, d).
        pretraining: mean (d,) of the unit-norm features of pretraining images.
        logit_scale: what multiplies cosines.
    """
    # Logits are linear in the image: their mean is that of the mean image, and less it those of the image less it.
    centre = (pretraining + features.mean(axis=0, dtype=np.float64)) / 2
    tops = np.zeros(len(texts))
    for start in range(0, len(features), BLOCK):
        images = features[start : start + BLOCK] - centre
        tops += [(images @ text.astype(np.float64).T).max(axis=1).sum() for text in texts]
    return np.asarray(softmax(logit_scale * tops / len(features)))
