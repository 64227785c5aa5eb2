"""Metrics against pair counting and an explicit sweep, and against figures measured from the authors' code."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipn.errors import ClipnError
from clipn.metrics import auroc, fpr, roc

few = settings(max_examples=40, derandomize=True, deadline=None)
tied_scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=25)
METRICS = [auroc, fpr, roc]


def counted_auroc(known: Sequence[float], unknown: Sequence[float]) -> float:
    wins = sum((k > u) + 0.5 * (k == u) for k in known for u in unknown)
    return wins / (len(known) * len(unknown))


def swept_fpr(known: Sequence[float], unknown: Sequence[float], tpr: float) -> float:
    recall, accepted = [0.0], [0.0]
    for threshold in sorted({*known, *unknown}, reverse=True):
        recall.append(sum(score >= threshold for score in known) / len(known))
        accepted.append(sum(score >= threshold for score in unknown) / len(unknown))
    return float(np.interp(tpr, recall, accepted))


@few
@given(tied_scores, tied_scores)
def test_auroc_counts_pairs(known: list[float], unknown: list[float]) -> None:
    assert auroc(known, unknown) == pytest.approx(counted_auroc(known, unknown), abs=1e-12)


@few
@given(tied_scores, tied_scores, st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_fpr_interpolates_the_sweep(known: list[float], unknown: list[float], tpr: float) -> None:
    assert fpr(known, unknown, tpr) == pytest.approx(swept_fpr(known, unknown, tpr), abs=1e-12)


def test_untied_scores() -> None:
    draw = np.random.default_rng(3)
    known, unknown = draw.normal(1, 1, 37).tolist(), draw.normal(0, 1, 53).tolist()
    assert auroc(known, unknown) == pytest.approx(counted_auroc(known, unknown), abs=1e-12)
    assert fpr(known, unknown) == pytest.approx(swept_fpr(known, unknown, 0.95), abs=1e-12)


def test_figures_of_the_authors_convention() -> None:
    draw = np.random.default_rng(0)
    known, unknown = draw.normal(1.6, 1, 50_000), draw.normal(0, 1, 10_000)
    assert round(100 * auroc(known, unknown), 3) == 87.239
    assert round(100 * fpr(known, unknown), 3) == 51.610


@pytest.mark.parametrize(
    ("known", "unknown", "expected"),
    [
        ([7.0] * 30, [7.0] * 20, (0.5, 0.95)),
        ([1.0] * 10 + [0.0] * 10, [0.0] * 10 + [-1.0] * 10, (0.875, 0.45)),
        ([2.0, 3.0], [0.0, 1.0], (1.0, 0.0)),
        ([0.0, 1.0], [2.0, 3.0], (0.0, 1.0)),
        ([1.0], [1.0], (0.5, 0.95)),
        # 95 % of ID lies at 2; the OOD scores at 1 are accepted before the last ID score is
        ([2.0] * 19 + [0.0], [1.0] * 5 + [-1.0] * 5, (0.975, 0.5)),
    ],
    ids=["constant", "half tied", "apart", "inverted", "one each", "recall shared by two points"],
)
def test_values_by_hand(known: list[float], unknown: list[float], expected: tuple[float, float]) -> None:
    assert (auroc(known, unknown), fpr(known, unknown)) == pytest.approx(expected, abs=1e-12)


def test_differences_of_the_last_bit_are_no_ties() -> None:
    high = np.nextafter(1.0, 2.0)
    assert auroc([high], [1.0]) == 1
    assert fpr([high], [1.0]) == 0


def test_roc_points() -> None:
    accepted_ood, accepted_id = roc([3.0, 1.0], [2.0, 1.0])
    assert accepted_ood.tolist() == [0, 0, 0.5, 1]
    assert accepted_id.tolist() == [0, 0.5, 0.5, 1]


def test_order_of_scores_is_irrelevant() -> None:
    draw = np.random.default_rng(1)
    known, unknown = draw.integers(0, 9, 200), draw.integers(0, 9, 100)
    shuffled = draw.permutation(known), draw.permutation(unknown)
    assert auroc(*shuffled) == auroc(known, unknown)
    assert fpr(*shuffled) == fpr(known, unknown)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("known", "unknown", "complaint"),
    [
        ([], [1.0], "ID scores: expected at least one score"),
        ([1.0], [], "OOD scores: expected at least one score"),
        ([[1.0]], [1.0], r"ID scores: expected .* got shape \(1, 1\)"),
        ([1.0, float("nan")], [1.0], "ID scores: hold NaN"),
        ([1.0], [float("nan")], "OOD scores: hold NaN"),
        ([1.0], [float("inf")], "OOD scores: hold NaN or infinity"),
    ],
)
def test_bad_scores_are_refused(metric: Callable[..., Any], known: Any, unknown: Any, complaint: str) -> None:
    with pytest.raises(ClipnError, match=complaint):
        metric(known, unknown)


def test_unknown_convention() -> None:
    with pytest.raises(ClipnError, match="convention 'openood': choose 'clipn'"):
        fpr([1.0], [0.0], convention="openood")
