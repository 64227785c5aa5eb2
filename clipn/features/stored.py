"""Cached features as steps without torch read them: NumPy arrays, unit-norm float32."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipn.model.tensors import read_arrays

Features = NDArray[np.float32]

IMAGE_FORMAT = "clipn-image-features-1"
PERTURBED_FORMAT = "clipn-perturbed-features-2"
NEGATIVES_FORMAT = "clipn-negative-labels-1"


def read_image_features(path: Path) -> Features:
    """Features (n, d) of `clipn.features.images.cache_image_features`.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    return read_arrays(path, IMAGE_FORMAT, "image")[0]["image"]


def read_perturbed_features(path: Path) -> dict[str, Features]:
    """Features (n, d) of `clipn.features.perturbed.cache_perturbed_features`, by dataset.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    return read_arrays(path, PERTURBED_FORMAT)[0]


def read_negative_labels(path: Path) -> tuple[Features, Features]:
    """`labels` (classes, d) and `negatives` (m, d) of `clipn.features.negative_labels.cache_negative_labels`.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    arrays, _ = read_arrays(path, NEGATIVES_FORMAT, "labels", "negatives")
    return arrays["labels"], arrays["negatives"]
