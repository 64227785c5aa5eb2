"""Metrics against scikit-learn, pair counting and plain readings of each convention, and against published figures."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.interpolate import interp1d
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from clipn.errors import ClipnError
from clipn.metrics import CONVENTION, CONVENTIONS, Measures, aupr, auroc, fpr, measures, roc

few = settings(max_examples=60, derandomize=True, deadline=None)
scores = st.one_of(
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40),
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=25),
)
METRICS = [auroc, roc, aupr, partial(aupr, positive="ood"), fpr, measures] + [
    partial(fpr, convention=name) for name in CONVENTIONS
]
Scores = Sequence[float]


def pooled(id_scores: Scores, ood_scores: Scores) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.repeat([1, 0], [len(id_scores), len(ood_scores)]), np.concatenate([id_scores, ood_scores])


def counted_auroc(id_scores: Scores, ood_scores: Scores) -> float:
    wins = sum((i > o) + 0.5 * (i == o) for i in id_scores for o in ood_scores)
    return wins / (len(id_scores) * len(ood_scores))


def interpolated(id_scores: Scores, ood_scores: Scores, tpr: float) -> float:
    accepted_ood, accepted_id, _ = roc_curve(*pooled(id_scores, ood_scores))
    return float(interp1d(accepted_id, accepted_ood)(tpr))


def nearest_recall(id_scores: Scores, ood_scores: Scores, tpr: float) -> float:
    best, distance = 0.0, np.inf
    for threshold in sorted(set(id_scores) | {o for o in ood_scores if o > min(id_scores)}, reverse=True):
        recall = sum(i >= threshold for i in id_scores) / len(id_scores)
        if abs(recall - tpr) <= distance:
            best, distance = sum(o >= threshold for o in ood_scores) / len(ood_scores), abs(recall - tpr)
    return best


def first_point(id_scores: Scores, ood_scores: Scores, tpr: float) -> float:
    accepted_ood, accepted_id, _ = roc_curve(*pooled(id_scores, ood_scores))
    return float(next(x for x, y in zip(accepted_ood, accepted_id, strict=True) if y >= tpr))


def ood_positive(id_scores: Scores, ood_scores: Scores, tpr: float) -> float:
    return first_point([-o for o in ood_scores], [-i for i in id_scores], tpr)


def strictly_above(id_scores: Scores, ood_scores: Scores, tpr: float) -> float:
    assert tpr == 0.95
    threshold = sorted(id_scores)[round(0.05 * len(id_scores))]
    return sum(o > threshold for o in ood_scores) / len(ood_scores)


PLAIN = {
    "clipn": interpolated,
    "mcm": nearest_recall,
    "first": first_point,
    "openood": ood_positive,
    "dice": strictly_above,
}


def by_convention(id_scores: Any, ood_scores: Any) -> list[float]:
    return [round(100 * fpr(id_scores, ood_scores, convention=name), 3) for name in PLAIN]


@few
@given(scores, scores)
def test_auroc_counts_pairs(id_scores: list[float], ood_scores: list[float]) -> None:
    assert auroc(id_scores, ood_scores) == pytest.approx(counted_auroc(id_scores, ood_scores), abs=1e-12)


@few
@given(scores, scores)
def test_areas_are_scikit_learns(id_scores: list[float], ood_scores: list[float]) -> None:
    labels, together = pooled(id_scores, ood_scores)
    assert auroc(id_scores, ood_scores) == pytest.approx(roc_auc_score(labels, together), abs=1e-12)
    assert aupr(id_scores, ood_scores) == pytest.approx(average_precision_score(labels, together), abs=1e-12)
    negated = average_precision_score(1 - labels, -together)
    assert aupr(id_scores, ood_scores, positive="ood") == pytest.approx(negated, abs=1e-12)


@pytest.mark.parametrize("convention", PLAIN)
@few
@given(scores, scores)
def test_fpr95_of_every_convention(convention: str, id_scores: list[float], ood_scores: list[float]) -> None:
    plain = PLAIN[convention](id_scores, ood_scores, 0.95)
    assert fpr(id_scores, ood_scores, convention=convention) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("convention", ["clipn", "mcm", "first", "openood"])
@few
@given(scores, scores, st.sampled_from([0.29, 0.5, 0.8, 1.0]))
def test_other_recalls(convention: str, id_scores: list[float], ood_scores: list[float], tpr: float) -> None:
    plain = PLAIN[convention](id_scores, ood_scores, tpr)
    assert fpr(id_scores, ood_scores, tpr, convention) == pytest.approx(plain, abs=1e-12)


@few
@given(scores, scores)
def test_measures_are_the_single_metrics(id_scores: list[float], ood_scores: list[float]) -> None:
    assert measures(id_scores, ood_scores, CONVENTIONS) == Measures(
        auroc=auroc(id_scores, ood_scores),
        aupr_id=aupr(id_scores, ood_scores, "id"),
        aupr_ood=aupr(id_scores, ood_scores, "ood"),
        fpr95={name: fpr(id_scores, ood_scores, convention=name) for name in CONVENTIONS},
    )


def test_untied_scores() -> None:
    draw = np.random.default_rng(3)
    id_scores, ood_scores = draw.normal(1, 1, 370).tolist(), draw.normal(0, 1, 530).tolist()
    assert auroc(id_scores, ood_scores) == pytest.approx(counted_auroc(id_scores, ood_scores), abs=1e-12)
    for name, plain in PLAIN.items():
        assert fpr(id_scores, ood_scores, convention=name) == pytest.approx(
            plain(id_scores, ood_scores, 0.95), abs=1e-12
        ), name


@pytest.mark.parametrize(
    ("transform", "expected", "area"),
    [
        (lambda score: score, [51.610, 51.610, 51.600, 51.310, 51.600], 87.239),
        (lambda score: score.astype(np.float16), [51.610, 51.610, 51.600, 51.316, 51.600], 87.239),
        (lambda score: score.round(1), [51.611, 51.920, 51.920, 51.934, 47.800], 87.206),
        (lambda score: expit(8 * score).astype(np.float16), [51.610, 51.610, 51.610, 100.0, 51.600], 84.866),
    ],
    ids=["continuous", "half precision", "rounded", "saturating"],
)
def test_same_scores_in_every_convention(transform: Callable[..., Any], expected: list[float], area: float) -> None:
    """Figures of the authors' code and four peers' code on these draws."""
    draw = np.random.default_rng(0)
    id_scores, ood_scores = transform(draw.normal(1.6, 1, 50_000)), transform(draw.normal(0, 1, 10_000))
    assert by_convention(id_scores, ood_scores) == expected
    assert round(100 * auroc(id_scores, ood_scores), 3) == area


def test_fewer_ood_images_in_every_convention() -> None:
    draw = np.random.default_rng(0)
    id_scores, ood_scores = draw.normal(1.6, 1, 50_000), draw.normal(0, 1, 5_640)
    assert by_convention(id_scores, ood_scores) == [51.578, 51.578, 51.578, 50.866, 51.578]
    assert round(100 * auroc(id_scores, ood_scores), 3) == 87.309


def test_constant_scores_in_every_convention() -> None:
    id_scores, ood_scores = [7.0] * 30, [7.0] * 30
    assert by_convention(id_scores, ood_scores) == [95.0, 100.0, 100.0, 100.0, 0.0]
    assert auroc(id_scores, ood_scores) == aupr(id_scores, ood_scores) == aupr(id_scores, ood_scores, "ood") == 0.5


def test_half_tied_scores_in_every_convention() -> None:
    """20 ID scores, 20 OOD scores: the lower half of ID and the higher half of OOD are the same ten numbers."""
    id_scores, ood_scores = np.arange(20.0), np.arange(-10.0, 10.0)
    assert by_convention(id_scores, ood_scores) == [45.0, 45.0, 50.0, 50.0, 40.0]
    assert auroc(id_scores, ood_scores) == 0.875


@pytest.mark.parametrize(
    ("id_scores", "ood_scores", "expected"),
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
def test_values_by_hand(id_scores: list[float], ood_scores: list[float], expected: tuple[float, float]) -> None:
    assert (auroc(id_scores, ood_scores), fpr(id_scores, ood_scores)) == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand() -> None:
    id_scores, ood_scores = [3.0, 1.0], [2.0]
    assert aupr(id_scores, ood_scores) == pytest.approx((1 + 2 / 3) / 2, abs=1e-12)
    assert aupr(id_scores, ood_scores, positive="ood") == pytest.approx(1 / 2, abs=1e-12)


def test_average_precision_without_information_is_the_share_of_the_positive_class() -> None:
    id_scores, ood_scores = [0.0] * 30, [0.0] * 10
    assert (aupr(id_scores, ood_scores), aupr(id_scores, ood_scores, "ood")) == (0.75, 0.25)


def test_ties_at_the_threshold() -> None:
    """All of ID ties with half of OOD: the line, whole ties in, and the tie left out."""
    id_scores, ood_scores = [1.0] * 20, [1.0] * 5 + [0.0] * 5
    read = {name: fpr(id_scores, ood_scores, convention=name) for name in CONVENTIONS}
    assert read == pytest.approx({"clipn": 0.475, "mcm": 0.5, "first": 0.5, "openood": 1.0, "dice": 0.0}, abs=1e-12)


def test_nearest_recall_does_not_wait_for_ood_scores_below_all_of_id() -> None:
    assert fpr([1.0, 2.0], [0.0, 1.5], convention="mcm") == 0.5
    assert fpr([1.0, 2.0], [0.0, 1.5], tpr=1, convention="clipn") == 1


@pytest.mark.parametrize(("tpr", "expected"), [(0.0, 0.25), (0.5, 0.25), (1.0, 0.75)])
def test_dice_at_other_recalls(tpr: float, expected: float) -> None:
    assert fpr([1.0, 2.0], [0.0, 1.5, 2.0, 3.0], tpr, "dice") == expected


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
    id_scores, ood_scores = draw.integers(0, 9, 200), draw.integers(0, 9, 100)
    shuffled = draw.permutation(id_scores), draw.permutation(ood_scores)
    assert measures(*shuffled, CONVENTIONS) == measures(id_scores, ood_scores, CONVENTIONS)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("id_scores", "ood_scores", "message"),
    [
        ([], [1.0], "ID scores: expected at least one score"),
        ([1.0], [], "OOD scores: expected at least one score"),
        ([[1.0]], [1.0], r"ID scores: expected .* got shape \(1, 1\)"),
        ([1.0, float("nan")], [1.0], "ID scores: hold NaN"),
        ([1.0], [float("nan")], "OOD scores: hold NaN"),
        ([1.0], [float("inf")], "OOD scores: hold NaN or infinity"),
        (["0.9", "x"], [1.0], "ID scores: are no array of numbers"),
        ({"a": 1}, [1.0], "ID scores: are no array of numbers"),
        (np.array([1 + 1j, 2]), [1.0], "ID scores: are no array of numbers"),
        (torch.empty(2, device="meta"), [1.0], "ID scores: are no array of numbers"),
        (np.ma.masked_array([1.0, 2.0], mask=[False, True]), [1.0], "ID scores: are masked; give those that count"),
    ],
)
def test_bad_scores_are_refused(metric: Callable[..., Any], id_scores: Any, ood_scores: Any, message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        metric(id_scores, ood_scores)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_tensors_of_any_precision_with_a_gradient(dtype: torch.dtype) -> None:
    known, unknown = (torch.tensor(values, dtype=dtype, requires_grad=True) for values in ([3.0, 1.0], [2.0, 0.0]))
    assert auroc(known, unknown) == auroc([3, 1], [2, 0]) == 0.75


@pytest.mark.parametrize("tpr", [95, "0.95", float("nan"), None])
def test_a_recall_that_is_no_fraction(tpr: Any) -> None:
    with pytest.raises(ClipnError, match=r"recall .*: expected a fraction in \[0, 1\]"):
        fpr([1.0], [0.0], tpr)


@pytest.mark.parametrize("metric", [partial(fpr, convention="odin"), partial(measures, conventions=["odin"])])
def test_unknown_convention(metric: Callable[..., Any]) -> None:
    with pytest.raises(ClipnError, match="convention 'odin': choose one of clipn, mcm, first, openood, dice"):
        metric([1.0], [0.0])


def test_unknown_positive_class() -> None:
    with pytest.raises(ClipnError, match="positive class 'in': choose id or ood"):
        aupr([1.0], [0.0], positive="in")  # type: ignore[arg-type]


@pytest.mark.parametrize("recall", [95, -0.1, float("nan")])
def test_recall_outside_0_and_1(recall: float) -> None:
    with pytest.raises(ClipnError, match=r"recall .*: expected a fraction in \[0, 1\]"):
        fpr([1.0], [0.0], recall)


def test_registry_names_itself() -> None:
    assert list(CONVENTIONS) == [convention.name for convention in CONVENTIONS.values()] == list(PLAIN)
    assert next(iter(CONVENTIONS)) == CONVENTION
