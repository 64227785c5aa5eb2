"""Scores where exponentials saturate, underflow or overflow: still exact, in order, finite and without a warning."""

import numpy as np
import pytest
from hypothesis import assume, given, settings

from clipn.scores import RULES, SCORES, accepts
from tests.helpers.plain_scores import plain_log_odds, plain_scores, plain_sides
from tests.helpers.scored_logits import NAMES, WORDS, Array, Batch, batch, batches, images_of

pytestmark = pytest.mark.filterwarnings("error")

DIGITS = 720
"""Enough for a product of two probabilities whose logits lie 800 apart each."""

ten = settings(max_examples=10, derandomize=True, deadline=None)
wide = batches(400, classes=(2, 4))


@ten
@given(logits=wide)
@pytest.mark.parametrize("method", SCORES)
def test_rankings_are_exact_for_logits_far_apart(method: str, logits: Batch) -> None:
    plain = plain_log_odds if SCORES[method].log_odds else plain_scores
    expected = plain(method, images_of(logits), DIGITS)
    np.testing.assert_allclose(SCORES[method].ranking(**logits), expected, rtol=1e-11, atol=1e-12)


@ten
@given(logits=wide)
@pytest.mark.parametrize("rule", RULES)
def test_decisions_are_exact_for_logits_far_apart(rule: str, logits: Batch) -> None:
    sides = plain_sides(rule, images_of(logits), DIGITS)
    assume(all(abs(id_side - ood_side) > max(id_side, ood_side) / 10**9 for id_side, ood_side in sides))
    expected = [id_side >= ood_side for id_side, ood_side in sides]
    assert accepts(rule, logits["yes_logits"], logits["no_logits"]).tolist() == expected


@pytest.mark.parametrize("method", ["ctw", "atd"])
def test_gaps_that_saturate_float32_do_not_tie(method: str) -> None:
    gaps = np.array([[-32.0], [-31.0], [-30.0], [30.0], [31.0], [32.0]])
    scores = SCORES[method](gaps, np.zeros_like(gaps))
    assert (np.diff(scores) > 0).all()
    assert set(scores[3:].astype(np.float32)) == {1}


def alike(yes: Array) -> Batch:
    """The same logits everywhere, but a "no" tower and negative labels that say nothing."""
    return {name: np.zeros_like(yes) if name in ("no_logits", *WORDS) else yes for name in NAMES}


@pytest.mark.parametrize("method", [name for name, score in SCORES.items() if score.log_odds])
def test_rankings_tell_images_apart_where_the_probability_is_one(method: str) -> None:
    """At a temperature of 1,000, and at the scale, 100, that much more of a gap saturates."""
    gaps = np.array([50.0, 51.0, 90.0, 700.0, 740.0, 750.0, 1000.0, 5000.0]) * {"mcm": 100}.get(method, 1)
    gaps = gaps * 1000 if method.startswith("odin") else gaps
    logits = alike(np.stack([gaps, np.zeros_like(gaps)], axis=1))
    assert set(SCORES[method](**logits)) == {1.0}
    assert (np.diff(SCORES[method].ranking(**logits)) > 0).all()


def test_gen_tells_images_apart_where_all_but_one_class_underflows() -> None:
    gaps = np.array([50.0, 700.0, 740.0, 750.0, 1000.0, 5000.0])
    scores = SCORES["gen"](np.stack([gaps, np.zeros_like(gaps)], axis=1))
    assert (np.diff(scores) > 0).all()
    np.testing.assert_allclose(scores, -2 * np.exp(-0.1 * gaps), rtol=1e-12)


@pytest.mark.parametrize("method", ["ctw", "atd"])
@pytest.mark.parametrize("classes", [1, 2, 1000])
def test_a_no_tower_that_copies_yes_scores_exactly_half(method: str, classes: int) -> None:
    yes = batch(50, classes)["yes_logits"]
    assert set(SCORES[method](yes, yes)) == {0.5}


def test_atd_is_exact_where_its_masses_begin_to_underflow() -> None:
    """Of one class it is the logit gap itself."""
    gaps = np.arange(-760.0, 761.0, 8)[:, None]
    np.testing.assert_allclose(SCORES["atd"].ranking(gaps, np.zeros_like(gaps)), gaps[:, 0], rtol=1e-12)


def test_one_class_makes_atd_ctw() -> None:
    yes, no = batch(50, 1)["yes_logits"], batch(50, 1)["no_logits"]
    np.testing.assert_allclose(SCORES["atd"](yes, no), SCORES["ctw"](yes, no), rtol=1e-12)
    decisions = accepts("ctw", yes, no)
    assert 0 < decisions.sum() < 50
    np.testing.assert_array_equal(accepts("atd", yes, no), decisions)
    assert accepts("atd_original", yes, no).all()


@pytest.mark.parametrize(
    ("method", "score", "ranking"),
    [
        ("msp", 1, np.finfo(np.float64).max),
        ("mcm", 1, np.finfo(np.float64).max),
        ("odin", 1, np.finfo(np.float64).max),
        ("odin_perturbed", 1, np.finfo(np.float64).max),
        ("max_logit", 3, 3),
        ("energy", 3, 3),
        ("react", 3, 3),
        ("gen", 0, 0),
        ("logit_gap", 0, 0),
        ("neglabel", 1 / (1 + np.exp(-3)), 3),
        ("gl_mcm", 1 + 1 / (1 + np.exp(-3)), 1 + 1 / (1 + np.exp(-3))),
        ("l_mcm", 1 / (1 + np.exp(-3)), 3),
        ("csp", 1 / (1 + np.exp(-3)), 3),
        ("eoe", (np.exp(0.03) - 0.25) / (np.exp(0.03) + 1), (np.exp(0.03) - 0.25) / (np.exp(0.03) + 1)),
        ("entropy", 0, 0),
    ],
)
def test_one_class_is_certain(method: str, score: float, ranking: float) -> None:
    logits = alike(np.array([[3.0]]))
    np.testing.assert_allclose(SCORES[method](**logits), [score])
    np.testing.assert_allclose(SCORES[method].ranking(**logits), [ranking])


@pytest.mark.parametrize("method", SCORES)
@pytest.mark.parametrize("size", [1e3, 1e4, 1e100])
def test_huge_logits_stay_finite(method: str, size: float) -> None:
    yes, no = np.array([[size, -size], [-size, size], [0, 0]]), np.array([[-size, size], [size, -size], [-size, size]])
    for logits in (
        alike(yes),
        alike(yes) | dict.fromkeys(("no_logits", *WORDS), no),
        alike(no) | dict.fromkeys(WORDS, -no),
    ):
        assert np.isfinite(SCORES[method](**logits)).all()
        assert np.isfinite(SCORES[method].ranking(**logits)).all()


def test_decisions_on_huge_logits() -> None:
    """The first image is surely ID, the second surely OOD; where p is 1, the other reading cannot reject."""
    yes, no = np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([[-1e4, 1e4], [0, 2e4]])
    assert {rule: accepts(rule, yes, no).tolist() for rule in RULES} == {
        "ctw": [True, False],
        "atd": [True, False],
        "atd_original": [True, True],
    }


def test_rules_differ_beside_a_class_out_of_reach() -> None:
    """Two equal classes, p_no 0.4: the OOD class, 0.4, exceeds 0.3 of either, not 0.6 of both nor the original 0.5."""
    yes = np.array([[0.0, 0.0, -1000.0]])
    no = yes + np.log(0.4 / 0.6)
    assert {rule: accepts(rule, yes, no).item() for rule in RULES} == {"ctw": True, "atd": False, "atd_original": True}


def test_an_image_far_apart_leaves_the_others_as_they_are() -> None:
    logits = batch(4)
    far = {name: np.concatenate([matrix, 1000 * matrix[:1]]) for name, matrix in logits.items()}
    for name, score in SCORES.items():
        np.testing.assert_array_equal(score.ranking(**far)[:4], score.ranking(**logits), err_msg=name)
