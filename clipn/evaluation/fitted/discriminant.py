"""Gaussian discriminant analysis (GDA) beside zero-shot CLIP (Wang et al., A Hard-to-Beat Baseline, ICLR 2024)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clipn.compute import one_thread
from clipn.errors import ClipnError
from clipn.evaluation.fitted.images import TrainingImages, chosen_images
from clipn.features.stored import DISCRIMINANT_FORMAT, Features, LinearClassifier
from clipn.iteration import batched
from clipn.model.tensors import write_arrays

CLASSES = 16
"""Whose images are multiplied at once: all of ImageNet's would take 5 GB in float64, those of one are few."""


def fit_discriminant(classes: Sequence[Features]) -> LinearClassifier:
    """Gaussians of one covariance for all classes, which are equally likely.

    With class means mu, and S the covariance of the features less the means of their classes, the precision is
    P = d ((n - 1) S + trace(S) I)^-1, as in the authors' code; then W = mu P and b = log(1 / classes) - mu P mu / 2.

    Args:
        classes: unit-norm features (images, d) of every class.

    Raises:
        ClipnError: no class has two different images, so that there is no covariance.
    """
    means = np.stack([features.mean(axis=0, dtype=np.float64) for features in classes])
    width, count = means.shape[1], sum(map(len, classes))
    scatter = np.zeros((width, width))
    centred = (features.astype(np.float64) - mean for features, mean in zip(classes, means, strict=True))
    # A product that splits itself over threads rounds by their number.
    with one_thread():
        for batch in batched(centred, CLASSES):
            stacked = np.concatenate(batch)
            scatter += stacked.T @ stacked
        if not scatter.any():
            raise ClipnError("training images: no class has two different ones, so nothing varies; take more of each")
        trace = np.trace(scatter) / (count - 1)
        weights = width * np.linalg.solve(scatter + trace * np.eye(width), means.T).T
    return LinearClassifier(weights, -np.log(len(means)) - (weights * means).sum(axis=1) / 2)


def write_discriminant(
    id_dataset: str, images: TrainingImages, alpha: float, datasets: Path, features: Path, output: Path
) -> None:
    """Write `weights` (classes, d) and `bias` (classes,) of `fit_discriminant`, both times `alpha`, to `output`.

    `alpha` is the weight of the fitted logits beside the zero-shot ones; the other arguments are as of `chosen_images`.

    Raises:
        ClipnError: as `chosen_images` and `fit_discriminant`.
    """
    chosen = chosen_images(id_dataset, images, datasets, features)
    fitted = fit_discriminant([chosen.features[rows] for rows in chosen.rows])
    arrays = {name: alpha * array for name, array in fitted._asdict().items()}
    write_arrays(output, arrays, {"format": DISCRIMINANT_FORMAT, **chosen.header, "alpha": str(alpha)})
