"""A linear probe of image features as the image tower gives them, before they are normalised: logistic regression."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from clipn.compute import one_thread
from clipn.errors import ClipnError
from clipn.evaluation.fitted.images import TrainingImages, chosen_images
from clipn.features.stored import PROBE_FORMAT, LinearClassifier, read_norms
from clipn.model.tensors import write_arrays

TOLERANCE = 1e-8
"""Of the largest entry of the gradient of the mean loss, at which a fit is done."""
ITERATIONS = 10_000
"""Of L-BFGS at most; fits of some hundred images per class take about 150."""


def fit_probe(classes: Sequence[NDArray[np.floating]]) -> LinearClassifier:
    """Multinomial logistic regression: least sum of -log p_y over the images, and half the squared length of W.

    Of two classes it is the binary one, whose first class has a logit of 0.

    Args:
        classes: features (images, d) of every class, not normalised.

    Raises:
        ClipnError: there is one class alone, or the fit does not converge.
    """
    if len(classes) < 2:
        raise ClipnError("training images: are all of one class, and a probe tells several apart; name more")
    labels = np.repeat(np.arange(len(classes)), [len(features) for features in classes])
    stacked = np.concatenate([features.astype(np.float64) for features in classes])
    model = LogisticRegression(tol=TOLERANCE, max_iter=ITERATIONS)
    # A product that splits itself over threads rounds by their number.
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(stacked, labels)
        except ConvergenceWarning as error:
            unfit = (
                f"the probe does not converge in {ITERATIONS:,} iterations; look at the features, or take other images"
            )
            raise ClipnError(f"training images: {unfit}") from error
    weights, bias = model.coef_, model.intercept_
    if len(classes) == 2:
        weights, bias = (np.concatenate([np.zeros_like(part), part]) for part in (weights, bias))
    return LinearClassifier(weights, bias)


def write_probe(id_dataset: str, images: TrainingImages, datasets: Path, features: Path, output: Path) -> None:
    """Write `weights` (classes, d) and `bias` (classes,) of `fit_probe` to `output`.

    The other arguments are as of `chosen_images`.

    Raises:
        ClipnError: as `chosen_images` and `fit_probe`, or the features were cached without their norms.
    """
    chosen = chosen_images(id_dataset, images, datasets, features)
    norms = read_norms(chosen.path)
    fitted = fit_probe([norms[rows, None].astype(np.float64) * chosen.features[rows] for rows in chosen.rows])
    write_arrays(output, fitted._asdict(), {"format": PROBE_FORMAT, **chosen.header})
