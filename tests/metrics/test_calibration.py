"""Calibration against scikit-learn, and the best temperature against a search."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from clipn.errors import ClipnError
from clipn.metrics.calibration import (
    BINS,
    COLDEST,
    best_temperature,
    bins_of,
    expected_calibration_error,
    image_calibration,
)

SEED = 11
"""Of every generator anew: no test depends on which others ran before it."""
CLASSES = 7


def drawn(images: int = 700, margin: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that favour the true class, and labels."""
    draw = np.random.default_rng(SEED)
    labels = draw.integers(0, CLASSES, images)
    logits = draw.normal(20, 2.5, (images, CLASSES))
    logits[range(images), labels] += margin
    return logits, labels


@pytest.fixture(scope="module", params=[0.2, 1, 3])
def case(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = drawn()
    return request.param * logits, labels


def test_likelihood_and_brier_score_are_those_of_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = case
    probabilities = softmax(logits, axis=1)
    found = image_calibration(logits, labels)
    assert found.nll.mean() == pytest.approx(log_loss(labels, probabilities), rel=1e-12)
    expected = brier_score_loss(labels, probabilities, labels=range(CLASSES), scale_by_half=False)
    assert found.brier.mean() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found.confidence, probabilities.max(axis=1), rtol=1e-12)


def test_calibration_error_is_that_of_the_curve_of_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = case
    confidence, is_right = image_calibration(logits, labels).confidence, logits.argmax(axis=1) == labels
    accuracies, confidences = calibration_curve(is_right, confidence, n_bins=BINS)
    counts = np.unique(bins_of(confidence), return_counts=True)[1]
    expected = np.abs(accuracies - confidences) @ counts / len(labels)
    assert expected_calibration_error(confidence, is_right) == pytest.approx(expected, rel=1e-12)


def test_a_bin_holds_its_upper_edge() -> None:
    edges = np.linspace(0, 1, BINS + 1)
    assert bins_of(edges).tolist() == [0, *range(BINS)]
    assert bins_of(np.nextafter(edges[:-1], 1)).tolist() == [*range(BINS)]


def test_calibration_error_by_hand() -> None:
    """Two images in one bin, right by half at 0.7; one alone, right at 0.4."""
    assert expected_calibration_error(np.array([0.69, 0.71, 0.4]), np.array([True, False, True])) == pytest.approx(
        (0.4 + 0.6) / 3
    )


def test_the_best_temperature_is_that_of_a_search(case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = case

    def nll(temperature: float) -> float:
        return float(log_loss(labels, softmax(logits / temperature, axis=1)))

    found = minimize_scalar(nll, bounds=(0.05, 50), method="bounded", options={"xatol": 1e-7})
    assert best_temperature(logits, labels) == pytest.approx(found.x, rel=1e-5)


def test_logits_of_a_multiple_want_that_multiple() -> None:
    logits, labels = drawn()
    once, thrice = best_temperature(logits, labels), best_temperature(3 * logits, labels)
    assert once is not None
    assert thrice == pytest.approx(3 * once, rel=1e-9)


def test_logits_of_the_true_probabilities_want_no_temperature() -> None:
    draw = np.random.default_rng(SEED)
    logits = draw.normal(0, 2, (60_000, 4))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > draw.random((len(logits), 1))).argmax(axis=1)
    assert best_temperature(logits, labels) == pytest.approx(1, abs=0.03)


def test_images_without_a_label_count_for_nothing() -> None:
    logits, labels = drawn(300)
    some = np.where(np.arange(300) % 3 == 0, -1, labels)
    found, known = image_calibration(logits, some), some >= 0
    assert np.isfinite(found.confidence).all()
    for values, expected in zip(found[1:], image_calibration(logits, labels)[1:], strict=True):
        assert np.isnan(values[~known]).all()
        np.testing.assert_array_equal(values[known], expected[known])
    assert best_temperature(logits, some) == pytest.approx(best_temperature(logits[known], labels[known]), rel=1e-9)
    assert best_temperature(logits, np.full(300, -1)) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_no_temperature_where_all_are_right_or_worse_than_chance(sign: int) -> None:
    labels = np.arange(CLASSES)
    assert best_temperature(sign * np.eye(CLASSES) / COLDEST, labels) is None


def test_labels_that_do_not_fit() -> None:
    logits, labels = drawn(5)
    for measure in (image_calibration, best_temperature):
        with pytest.raises(ClipnError, match="labels: 4 of 5 images"):
            measure(logits, labels[1:])
        with pytest.raises(ClipnError, match="labels: 7 is none of 7 classes"):
            measure(logits, np.full(5, CLASSES))
    for size in (0, 3):
        with pytest.raises(ClipnError, match=f"calibration: {size} confidences of 2 images|calibration: 0"):
            expected_calibration_error(np.zeros(size), np.zeros(2 if size else 0, dtype=bool))
