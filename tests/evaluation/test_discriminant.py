"""Gaussian discriminant analysis against the formula with a pseudo-inverse, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from clipn.errors import ClipnError
from clipn.evaluation.fitted.discriminant import fit_discriminant
from clipn.features.stored import Features

WIDTH = 24


def features(numbers: list[int], seed: int = 0) -> list[Features]:
    """Unit-norm features around a direction of each class, so many of each."""
    draw = np.random.default_rng(seed)
    vectors = [draw.normal(size=WIDTH) + 0.7 * draw.normal(size=(number, WIDTH)) for number in numbers]
    return [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for rows in vectors]


@pytest.mark.parametrize("numbers", [[16] * 5, [3, 30, 2], [2, 2]])
def test_weights_and_bias_are_those_of_the_formula(numbers: list[int]) -> None:
    classes = features(numbers)
    found = fit_discriminant(classes)
    stacked, labels = np.concatenate(classes).astype(np.float64), np.repeat(range(len(numbers)), numbers)
    means = np.stack([stacked[labels == label].mean(axis=0) for label in range(len(numbers))])
    covariance = np.cov(stacked - means[labels], rowvar=False)
    inverse = np.linalg.pinv((len(stacked) - 1) * covariance + np.trace(covariance) * np.eye(WIDTH))
    np.testing.assert_allclose(found.weights, WIDTH * means @ inverse, rtol=1e-9)
    quadratic = [mean @ (WIDTH * inverse) @ mean for mean in means]
    np.testing.assert_allclose(found.bias, np.log(1 / len(numbers)) - np.array(quadratic) / 2, rtol=1e-9)


def test_it_is_linear_discriminant_analysis_with_a_shrinkage_that_follows_from_the_numbers() -> None:
    """(n - 1) S + tr(S) I is the covariance shrunk by d / (n - 1 + d), times n / (1 - shrinkage)."""
    classes = features([12] * 4, seed=1)
    stacked, count = np.concatenate(classes), 48
    shrinkage = WIDTH / (count - 1 + WIDTH)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    model.fit(stacked.astype(np.float64), np.repeat(range(4), 12))
    found, factor = fit_discriminant(classes), WIDTH * (1 - shrinkage) / count
    np.testing.assert_allclose(found.weights, factor * model.coef_, rtol=1e-6)
    prior = np.log(1 / 4)
    np.testing.assert_allclose(found.bias - prior, factor * (model.intercept_ - prior), rtol=1e-6)


def test_the_order_of_images_changes_nothing_but_last_digits() -> None:
    classes = features([8, 8])
    turned = fit_discriminant([rows[::-1] for rows in classes])
    np.testing.assert_allclose(turned.weights, fit_discriminant(classes).weights, rtol=1e-12)


@pytest.mark.parametrize("classes", [features([1, 1, 1]), [rows[[0, 0]] for rows in features([2, 2])]])
def test_images_that_do_not_vary_are_refused(classes: list[Features]) -> None:
    with pytest.raises(ClipnError, match="no class has two different ones, so nothing varies; take more of each"):
        fit_discriminant(classes)
