"""Scores and decisions against plain loops, where float32 saturates, and every refusal."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clipn.errors import ClipnError
from clipn.scores import RULES, SCORES, accepts

SCALE = 100.0
Row = Sequence[float]
Array = np.ndarray[Any, np.dtype[np.float64]]

few = settings(max_examples=30, derandomize=True, deadline=None)
both_logits = st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(*(arrays(np.float64, shape, elements=st.floats(-12, 12)) for _ in range(2)))
)


def softmax(row: Row) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def p_no(yes: Row, no: Row) -> list[float]:
    return [math.exp(n) / (math.exp(y) + math.exp(n)) for y, n in zip(yes, no, strict=True)]


def shrunk(yes: Row, no: Row) -> list[float]:
    """Probabilities of the known classes of ATD's (C + 1)-way distribution."""
    return [p * (1 - p_unknown) for p, p_unknown in zip(softmax(yes), p_no(yes, no), strict=True)]


def unknown(yes: Row, no: Row) -> float:
    """Probability of the unknown class in the same distribution."""
    return sum(p * p_unknown for p, p_unknown in zip(softmax(yes), p_no(yes, no), strict=True))


PLAIN: dict[str, Callable[[Row, Row], float]] = {
    "msp": lambda yes, no: max(softmax(yes)),
    "max_logit": lambda yes, no: max(yes),
    "energy": lambda yes, no: math.log(sum(math.exp(value) for value in yes)),
    "mcm": lambda yes, no: max(softmax([value / SCALE for value in yes])),
    "ctw": lambda yes, no: 1 - p_no(yes, no)[list(yes).index(max(yes))],
    "atd": lambda yes, no: sum(shrunk(yes, no)),
}


PLAIN_RULES: dict[str, Callable[[Row, Row], tuple[float, float]]] = {
    "ctw": lambda yes, no: (PLAIN["ctw"](yes, no), 1 - PLAIN["ctw"](yes, no)),
    "atd": lambda yes, no: (max(shrunk(yes, no)), unknown(yes, no)),
    "atd_original": lambda yes, no: (max(softmax(yes)), unknown(yes, no)),
}
"""What is compared: a known class, and the unknown one."""


def logits(rows: int = 6, classes: int = 5, seed: int = 0) -> tuple[Array, Array]:
    draw = np.random.default_rng(seed)
    return draw.uniform(0, 30, (rows, classes)), draw.uniform(0, 30, (rows, classes))


def test_registry() -> None:
    assert {name: score.needs_no for name, score in SCORES.items()} == {
        "msp": False,
        "max_logit": False,
        "energy": False,
        "mcm": False,
        "ctw": True,
        "atd": True,
    }
    assert list(RULES) == ["ctw", "atd", "atd_original"]
    for registry in (SCORES, RULES):
        assert all(entry.name == name for name, entry in registry.items())
        assert len({entry.label for entry in registry.values()}) == len(registry)


@few
@given(both_logits)
@pytest.mark.parametrize("method", list(SCORES))
def test_scores_are_the_formulas(method: str, both: tuple[Array, Array]) -> None:
    expected = [PLAIN[method](yes, no) for yes, no in zip(*both, strict=True)]
    np.testing.assert_allclose(SCORES[method](*both, SCALE), expected, rtol=1e-9, atol=1e-15)


@few
@given(both_logits)
@pytest.mark.parametrize("rule", list(RULES))
def test_decisions_are_the_formulas(rule: str, both: tuple[Array, Array]) -> None:
    sides = [PLAIN_RULES[rule](yes, no) for yes, no in zip(*both, strict=True)]
    assume(all(abs(known - unknown) > 1e-9 for known, unknown in sides))
    assert accepts(rule, *both).tolist() == [known >= unknown for known, unknown in sides]


@pytest.mark.parametrize(
    ("classes", "accepted"),
    [(2, {"ctw": True, "atd": False, "atd_original": True}), (3, {"ctw": True, "atd": False, "atd_original": False})],
)
def test_rules_differ_where_the_mass_is_spread(classes: int, accepted: dict[str, bool]) -> None:
    """Equal classes, p_no 0.4: the winner says yes, but 0.4 unknown exceeds 0.6 / classes, and 1 / 3."""
    yes = np.zeros((1, classes))
    no = np.full((1, classes), math.log(0.4 / 0.6))
    assert {rule: accepts(rule, yes, no).item() for rule in RULES} == accepted


@few
@given(both_logits)
def test_what_atd_accepts_the_other_reading_accepts_too(both: tuple[Array, Array]) -> None:
    assert (accepts("atd", *both) <= accepts("atd_original", *both)).all()


@pytest.mark.parametrize("rule", list(RULES))
def test_a_draw_is_accepted(rule: str) -> None:
    assert accepts(rule, np.ones((1, 1)), np.ones((1, 1))).tolist() == [True]


@pytest.mark.parametrize("method", list(SCORES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_in_numpy_out(method: str, dtype: type) -> None:
    yes, no = (part.astype(dtype) for part in logits())
    scores = SCORES[method](yes, no)
    assert isinstance(scores, np.ndarray)
    assert (scores.dtype, scores.shape) == (np.float64, (6,))


@pytest.mark.parametrize("method", list(SCORES))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_torch_in_torch_out(method: str, dtype: torch.dtype) -> None:
    yes, no = (torch.from_numpy(part).to(dtype).requires_grad_() for part in logits())
    scores = SCORES[method](yes, no)
    assert isinstance(scores, torch.Tensor)
    assert scores.dtype == torch.float64
    expected = SCORES[method](yes.detach().double().numpy(), no.detach().double().numpy())
    np.testing.assert_array_equal(scores.numpy(), expected)


@pytest.mark.parametrize("rule", RULES)
def test_decisions_are_bool_of_the_same_kind(rule: str) -> None:
    yes, no = logits()
    accepted = accepts(rule, yes, no)
    assert accepted.dtype == np.bool_
    of_torch = accepts(rule, torch.from_numpy(yes), torch.from_numpy(no))
    assert of_torch.dtype == torch.bool
    assert of_torch.tolist() == accepted.tolist()


@pytest.mark.parametrize("method", ["ctw", "atd"])
def test_gaps_that_saturate_float32_do_not_tie(method: str) -> None:
    gaps = np.array([[-32.0], [-31.0], [-30.0], [30.0], [31.0], [32.0]])
    scores = SCORES[method](gaps, np.zeros_like(gaps))
    assert (np.diff(scores) > 0).all()
    assert set(scores[3:].astype(np.float32)) == {1}


@pytest.mark.parametrize("method", ["ctw", "atd"])
@pytest.mark.parametrize("classes", [1, 2, 1000])
def test_a_no_tower_that_copies_yes_scores_exactly_half(method: str, classes: int) -> None:
    yes, _ = logits(50, classes)
    assert set(SCORES[method](yes, yes)) == {0.5}


def test_one_class_makes_atd_ctw() -> None:
    yes, no = logits(50, 1)
    np.testing.assert_allclose(SCORES["atd"](yes, no), SCORES["ctw"](yes, no), rtol=1e-12)
    decisions = accepts("ctw", yes, no)
    assert 0 < decisions.sum() < 50
    np.testing.assert_array_equal(accepts("atd", yes, no), decisions)
    assert accepts("atd_original", yes, no).all()


@pytest.mark.parametrize("method", list(SCORES))
def test_huge_logits_stay_finite(method: str) -> None:
    yes, no = np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([[-1e4, 1e4], [1e4, -1e4]])
    assert np.isfinite(SCORES[method](yes, no)).all()
    assert np.isfinite(SCORES[method](no, np.maximum(yes, no))).all()


def test_decisions_on_huge_logits() -> None:
    """The first image is surely known, the second surely not; where p is 1, the other reading cannot reject."""
    yes, no = np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([[-1e4, 1e4], [0, 2e4]])
    assert {rule: accepts(rule, yes, no).tolist() for rule in RULES} == {
        "ctw": [True, False],
        "atd": [True, False],
        "atd_original": [True, True],
    }


def test_mcm_divides_by_the_scale() -> None:
    cosines = np.array([[0.3, 0.1], [0.2, 0.25]])
    expected = [PLAIN["msp"](row, row) for row in cosines]
    for scale in (1.0, 50.0):
        np.testing.assert_allclose(SCORES["mcm"](scale * cosines, logit_scale=scale), expected)


@pytest.mark.parametrize("method", ["ctw", "atd"])
def test_missing_no_logits(method: str) -> None:
    with pytest.raises(ClipnError, match=f"method {method}: needs the logits of a `no` text tower"):
        SCORES[method](np.zeros((2, 3)))
    with pytest.raises(ClipnError, match="no_logits"):
        accepts(method, np.zeros((2, 3)), None)


BAD_LOGITS = [
    (np.zeros(3), np.zeros(3), r"yes_logits: expected \(n, classes\), got shape \(3,\)"),
    (np.zeros((2, 0)), np.zeros((2, 0)), r"yes_logits: expected \(n, classes\), got shape \(2, 0\)"),
    (np.zeros((2, 3)), np.zeros((2, 1)), r"no_logits: shape \(2, 1\) is not that of yes_logits, \(2, 3\)"),
    (np.zeros((2, 3)), np.zeros((1, 3)), r"no_logits: shape \(1, 3\) is not that of yes_logits, \(2, 3\)"),
    (np.full((2, 3), np.nan), np.zeros((2, 3)), "yes_logits: holds NaN or infinity"),
    (np.zeros((2, 3)), np.full((2, 3), -np.inf), "no_logits: holds NaN or infinity"),
]


@pytest.mark.parametrize(("yes", "no", "complaint"), BAD_LOGITS)
def test_bad_logits_are_refused(yes: Array, no: Array, complaint: str) -> None:
    for score in SCORES.values():
        with pytest.raises(ClipnError, match=complaint):
            score(yes, no)
    for rule in RULES:
        with pytest.raises(ClipnError, match=complaint):
            accepts(rule, yes, no)


def test_unknown_rule() -> None:
    with pytest.raises(ClipnError, match=r"rule 'msp': choose one of ctw, atd, atd_original$"):
        accepts("msp", *logits())


@pytest.mark.parametrize("method", SCORES)
@few
@given(both=both_logits)
def test_ranking_orders_as_the_score_does(method: str, both: tuple[Array, Array]) -> None:
    yes, no = both
    score, ranking = SCORES[method](yes, no), SCORES[method].ranking(yes, no)
    if SCORES[method].log_odds and not (method == "msp" and yes.shape[1] == 1):
        np.testing.assert_allclose(1 / (1 + np.exp(-ranking)), score, rtol=1e-9)
    elif SCORES[method].log_odds is None:
        np.testing.assert_array_equal(ranking, score)


@pytest.mark.parametrize("method", ["msp", "ctw", "atd"])
def test_ranking_tells_images_apart_where_the_probability_is_one(method: str) -> None:
    yes, no = np.array([[50.0, 0.0], [90.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.0]])
    assert SCORES[method](yes, no).tolist() == [1.0, 1.0]
    first, second = SCORES[method].ranking(yes, no)
    assert first < second
