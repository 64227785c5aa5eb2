"""Calibrated thresholds: their rank by exact fractions, and the recall that they promise by simulation."""

from fractions import Fraction

import numpy as np
import pytest

from clipn.errors import ClipnError
from clipn.metrics.conformal import conformal_threshold, fewest_images, recall_range

RECALLS = ["0.5", "0.9", "0.95", "0.99"]
SPLITS = 1_000


@pytest.mark.parametrize("recall", RECALLS)
def test_as_many_scores_lie_below_as_exact_arithmetic_says(recall: str) -> None:
    for images in range(fewest_images(float(recall)), 250):
        scores = np.random.default_rng(images).permutation(images).astype(float)
        below = int((images + 1) * (1 - Fraction(recall)))
        assert conformal_threshold(scores, float(recall)) == below - 1


@pytest.mark.parametrize("recall", RECALLS)
def test_fewest_images(recall: str) -> None:
    fewest = fewest_images(float(recall))
    assert (fewest + 1) * (1 - Fraction(recall)) >= 1 > fewest * (1 - Fraction(recall))
    with pytest.raises(ClipnError, match=f"{fewest - 1} images are too few; it takes {fewest} at least"):
        conformal_threshold(np.arange(fewest - 1.0), float(recall))


@pytest.mark.parametrize("recall", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("images", [99, 250])
def test_the_promised_share_of_new_images_reaches_it(recall: float, images: int) -> None:
    """Whatever the distribution, ties included, and hardly more than promised without ties."""
    rng = np.random.default_rng(0)
    for draw, tied in ((rng.standard_cauchy, False), (rng.exponential, False), (rng.geometric, True)):
        arguments = (0.3,) if tied else ()
        held = draw(*arguments, size=(SPLITS, images))
        new = draw(*arguments, size=(SPLITS, 1_000))
        thresholds = [conformal_threshold(scores, recall) for scores in held]
        covered = (new >= np.array(thresholds)[:, None]).mean(axis=1)
        error = 4 * covered.std() / np.sqrt(SPLITS) + 1e-3
        assert covered.mean() >= recall - error
        assert tied or covered.mean() <= recall + 1 / (images + 1) + error


def test_the_range_of_recalls_holds_in_as_many_cases_as_it_says() -> None:
    rng, images, recall = np.random.default_rng(0), 200, 0.9
    covered = np.array([1 - conformal_threshold(rng.random(images), recall) for _ in range(4_000)])
    lowest, highest = recall_range(images, recall)
    assert ((covered >= lowest) & (covered <= highest)).mean() == pytest.approx(0.9, abs=0.02)


def test_equal_scores_are_all_accepted() -> None:
    assert conformal_threshold(np.full(50, 3.0), 0.9) == 3.0


@pytest.mark.parametrize("recall", [0, 1, -0.1, 95, float("nan")])
def test_recalls_out_of_range(recall: float) -> None:
    with pytest.raises(ClipnError, match=r"^recall .*: give a share between 0 and 1, such as 0\.95$"):
        conformal_threshold(np.arange(100.0), recall)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers(value: float) -> None:
    with pytest.raises(ClipnError, match="scores: hold NaN or infinity"):
        conformal_threshold(np.append(np.arange(100.0), value), 0.9)
