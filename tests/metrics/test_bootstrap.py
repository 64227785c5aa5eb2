"""Replicates against the plain metrics of repeated scores; intervals against what is known of Gaussian scores."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from clipn.errors import ClipnError
from clipn.metrics import bootstrap, measures
from clipn.metrics.bootstrap import Replicates, difference, interval, replicate, resamples

few = settings(max_examples=100, derandomize=True, deadline=None)
Counts = NDArray[np.uint8]


def repeated(id_scores: Any, ood_scores: Any, id_counts: Counts, ood_counts: Counts) -> NDArray[np.float64]:
    rows = []
    for id_row, ood_row in zip(id_counts, ood_counts, strict=True):
        plain = measures(np.repeat(id_scores, id_row), np.repeat(ood_scores, ood_row))
        rows.append([plain.auroc, plain.fpr95["clipn"], plain.aupr_id, plain.aupr_ood])
    return np.transpose(rows)


def check(id_scores: Any, ood_scores: Any, id_counts: Counts, ood_counts: Counts) -> Replicates:
    replicates = replicate(id_scores, ood_scores, id_counts, ood_counts)
    expected = repeated(id_scores, ood_scores, id_counts, ood_counts)
    np.testing.assert_allclose(np.stack(replicates), expected, rtol=0, atol=1e-12)
    return replicates


@st.composite
def weighted(draw: st.DrawFn) -> tuple[list[float], Counts]:
    """Tied or constant scores and three rows of counts, some of them 0, none of them all 0."""
    images = draw(st.integers(1, 12))
    scores = st.lists(st.integers(0, draw(st.sampled_from([0, 3, 100]))).map(float), min_size=images, max_size=images)
    row = st.lists(st.sampled_from([0, 0, 1, 1, 2, 19]), min_size=images, max_size=images).filter(any)
    return draw(scores), np.array(draw(st.lists(row, min_size=3, max_size=3)), np.uint8)


@few
@given(weighted(), weighted())
def test_replicates_are_metrics_of_repeated_scores(
    id_scores: tuple[list[float], Counts], ood_scores: tuple[list[float], Counts]
) -> None:
    check(id_scores[0], ood_scores[0], id_scores[1], ood_scores[1])


@pytest.mark.parametrize("decimals", [1, 15], ids=["tied", "untied"])
def test_replicates_of_many_images(decimals: int) -> None:
    draw = np.random.default_rng(5)
    id_scores, ood_scores = draw.normal(1, 1, 700).round(decimals), draw.normal(0, 1, 300).round(decimals)
    check(id_scores, ood_scores, resamples(700, 8, "known"), resamples(300, 8, "unknown"))


def test_replicates_are_scikit_learns_with_weights() -> None:
    draw = np.random.default_rng(6)
    id_scores, ood_scores = draw.normal(1, 1, 400), draw.normal(0, 1, 250)
    counts = resamples(400, 1, "known"), resamples(250, 1, "unknown")
    labels, scores = np.repeat([1, 0], [400, 250]), np.concatenate([id_scores, ood_scores])
    weights = np.concatenate(counts, axis=1)[0]
    ours = replicate(id_scores, ood_scores, *counts)
    assert ours.auroc[0] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12)
    theirs = average_precision_score(labels, scores, sample_weight=weights)
    assert ours.aupr_id[0] == pytest.approx(theirs, abs=1e-12)
    theirs = average_precision_score(1 - labels, -scores, sample_weight=weights)
    assert ours.aupr_ood[0] == pytest.approx(theirs, abs=1e-12)


def test_counts_that_meet_the_recall_exactly() -> None:
    """19 of 20 ID images at the top; the OOD image between them and the last one is accepted, as without counts."""
    id_counts, ood_counts = np.array([[19, 1, 0]], np.uint8), np.array([[5, 5]], np.uint8)
    replicates = check([2.0, 0.0, 3.0], [1.0, -1.0], id_counts, ood_counts)
    assert replicates.fpr95.tolist() == [0.5]
    assert replicates.auroc.tolist() == [0.975]


@pytest.mark.parametrize("block", [1, 9, 40, 10**6])
def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    draw = np.random.default_rng(7)
    id_scores, ood_scores = draw.integers(1, 9, 5), draw.integers(0, 8, 4)
    monkeypatch.setattr(bootstrap, "BLOCK", block)
    check(id_scores, ood_scores, resamples(5, 11, "known"), resamples(4, 11, "unknown"))


def test_resamples_hold_as_many_images_as_the_set() -> None:
    counts = resamples(1000, 50, "imagenet")
    assert counts.shape == (50, 1000)
    assert (counts.sum(axis=1) == 1000).all()
    assert (counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)
    assert np.corrcoef(counts[0], counts[1])[0, 1] == pytest.approx(0, abs=0.1)


def test_resamples_are_the_same_everywhere() -> None:
    """Fixed figures: another process, machine or day must draw the same."""
    assert resamples(6, 3, "textures").tolist() == [[2, 0, 2, 0, 2, 0], [0, 1, 1, 2, 1, 1], [1, 0, 1, 0, 0, 4]]


def test_resamples_follow_name_and_seed() -> None:
    first = resamples(200, 4, "sun")
    np.testing.assert_array_equal(resamples(200, 9, "sun")[:4], first)
    assert (resamples(200, 4, "places") != first).any()
    assert (resamples(200, 4, "sun", seed=1) != first).any()


def test_a_single_image() -> None:
    assert resamples(1, 2, "one").tolist() == [[1], [1]]
    assert replicate([1.0], [0.0], resamples(1, 2, "a"), resamples(1, 2, "b")).auroc.tolist() == [1, 1]


def test_interval_by_hand() -> None:
    replicates = np.random.default_rng(8).permutation(101) / 100
    assert interval(replicates, level=0.9) == pytest.approx((0.05, 0.95), abs=1e-12)
    assert interval(replicates) == pytest.approx((0.025, 0.975), abs=1e-12)
    assert interval(np.full(10, 0.3)) == (0.3, 0.3)


def test_spread_of_auroc_is_delongs() -> None:
    """DeLong et al. (1988): the variance from the share of the other class that each image beats."""
    draw = np.random.default_rng(9)
    id_scores, ood_scores = draw.normal(1, 1, 400), draw.normal(0, 1, 300)
    wins = id_scores[:, None] > ood_scores
    variance = wins.mean(axis=1).var(ddof=1) / 400 + wins.mean(axis=0).var(ddof=1) / 300
    replicates = replicate(id_scores, ood_scores, resamples(400, 2000, "known"), resamples(300, 2000, "unknown"))
    assert replicates.auroc.std(ddof=1) == pytest.approx(np.sqrt(variance), rel=0.05)


def test_coverage_of_gaussian_figures() -> None:
    """AUROC and FPR95 of two Gaussians are known; about 95 % of the intervals hold them."""
    draw = np.random.default_rng(10)
    counts = resamples(100, 200, "known"), resamples(100, 200, "unknown")
    truth = {"auroc": norm.cdf(2 / np.sqrt(2)), "fpr95": norm.sf(2 + norm.ppf(0.05))}
    held = dict.fromkeys(truth, 0)
    for _ in range(200):
        replicates = replicate(draw.normal(2, 1, 100), draw.normal(0, 1, 100), *counts)._asdict()
        for name, value in truth.items():
            low, high = interval(replicates[name])
            held[name] += low <= value <= high
    assert all(0.88 <= count / 200 <= 0.99 for count in held.values()), held


def test_paired_difference_is_narrower_than_an_unpaired_one() -> None:
    draw = np.random.default_rng(11)
    id_scores, ood_scores = draw.normal(1, 1, 300), draw.normal(0, 1, 300)
    better = id_scores + 0.15
    counts = resamples(300, 500, "known"), resamples(300, 500, "unknown")
    others = resamples(300, 500, "known", seed=1), resamples(300, 500, "unknown", seed=1)
    plain, shifted = replicate(id_scores, ood_scores, *counts).auroc, replicate(better, ood_scores, *counts).auroc
    low, high = difference(shifted, plain)
    unpaired = difference(replicate(better, ood_scores, *others).auroc, plain)
    assert 0 < low < high < 0.1
    assert unpaired[0] < 0 < unpaired[1]
    assert difference(plain, plain) == (0, 0)


@pytest.mark.parametrize(("images", "count"), [(0, 10), (10, 0)])
def test_nothing_to_draw(images: int, count: int) -> None:
    with pytest.raises(ClipnError, match=f"bootstrap of sun: {images} images and {count} resamples"):
        resamples(images, count, "sun")


@pytest.mark.parametrize(
    ("id_counts", "ood_counts"),
    [((4, 3), (4, 3)), ((4, 2), (4, 2)), ((4, 2), (5, 3)), ((2,), (2, 3))],
    ids=["too many ID images", "too few OOD images", "other numbers of resamples", "one row without its axis"],
)
def test_counts_that_do_not_fit(id_counts: tuple[int, ...], ood_counts: tuple[int, ...]) -> None:
    with pytest.raises(ClipnError, match="do not fit 2 ID and 3 OOD scores; draw both with the same number"):
        replicate([1.0, 2.0], [0.0, 1.0, 2.0], np.ones(id_counts, np.uint8), np.ones(ood_counts, np.uint8))


def test_bad_scores_are_refused() -> None:
    with pytest.raises(ClipnError, match="OOD scores: hold NaN"):
        replicate([1.0], [float("nan")], np.ones((1, 1), np.uint8), np.ones((1, 1), np.uint8))


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_levels_that_are_none(level: float) -> None:
    with pytest.raises(ClipnError, match=r"level of interval .*: expected a fraction between 0 and 1"):
        interval(np.arange(3.0), level)


@pytest.mark.parametrize("shape", [(0,), (2, 3)])
def test_no_row_of_replicates(shape: tuple[int, ...]) -> None:
    with pytest.raises(ClipnError, match=r"replicates of shape .*: expected one value per resample"):
        interval(np.zeros(shape))


def test_difference_of_other_resamples() -> None:
    with pytest.raises(ClipnError, match=r"replicates of shapes \(3,\) and \(4,\): draw the same resamples"):
        difference(np.zeros(3), np.zeros(4))
