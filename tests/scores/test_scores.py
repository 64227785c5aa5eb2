"""Scores and decisions against plain loops, and what each method makes of its own."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given

from clipn.scores import RULES, SCORES, accepts
from tests.helpers.plain_scores import PLAIN, PLAIN_RULES, plain_log_odds, plain_scores, plain_sides
from tests.helpers.scored_logits import Batch, batch, batches, few, images_of

NEEDS = {
    "msp": set(),
    "max_logit": set(),
    "energy": set(),
    "mcm": set(),
    "ctw": {"no"},
    "atd": {"no"},
    "react": {"clipped"},
    "odin": set(),
    "odin_perturbed": {"perturbed"},
    "gen": set(),
    "neglabel": {"labels", "negatives"},
    "gl_mcm": {"local"},
    "l_mcm": {"local"},
    "logit_gap": set(),
    "csp": {"csp_labels", "csp_negatives"},
    "eoe": {"eoe_labels", "eoe_outliers"},
    "entropy": set(),
}
OWN_PROMPTS = {"neglabel": "nice", "csp": "csp", "eoe": "single"}
METHODS = Path(__file__).parents[2] / "docs" / "methods.md"
PROBABILITIES = ["msp", "mcm", "ctw", "atd", "odin", "odin_perturbed", "neglabel", "l_mcm", "csp"]

ordinary = batches(12)


def test_registry() -> None:
    assert {name: score.needs for name, score in SCORES.items()} == NEEDS
    assert [name for name, score in SCORES.items() if score.needs_no] == ["ctw", "atd"]
    assert [name for name, score in SCORES.items() if score.log_odds] == PROBABILITIES
    assert {name: score.prompts for name, score in SCORES.items() if score.prompts} == OWN_PROMPTS
    assert list(RULES) == ["ctw", "atd", "atd_original"]
    for registry in (SCORES, RULES):
        assert all(entry.name == name for name, entry in registry.items())
        assert len({entry.label for entry in registry.values()}) == len(registry)


def test_every_method_and_rule_has_a_plain_twin() -> None:
    assert (list(PLAIN), list(PLAIN_RULES)) == (list(SCORES), list(RULES))


def test_every_method_has_a_row_in_the_documentation() -> None:
    table = METHODS.read_text(encoding="utf-8").split("\n\n")[2]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(SCORES)


@few
@given(logits=ordinary)
@pytest.mark.parametrize("method", SCORES)
def test_scores_are_the_formulas(method: str, logits: Batch) -> None:
    expected = plain_scores(method, images_of(logits))
    np.testing.assert_allclose(SCORES[method](**logits), expected, rtol=1e-11, atol=1e-13)


@few
@given(logits=batches(12, classes=(2, 5)))
@pytest.mark.parametrize("method", PROBABILITIES)
def test_probabilities_are_ranked_by_their_log_odds(method: str, logits: Batch) -> None:
    expected = plain_log_odds(method, images_of(logits))
    np.testing.assert_allclose(SCORES[method].ranking(**logits), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("method", [name for name in SCORES if name not in PROBABILITIES])
def test_other_scores_are_their_own_ranking(method: str) -> None:
    np.testing.assert_array_equal(SCORES[method].ranking(**batch()), SCORES[method](**batch()))


@few
@given(logits=ordinary)
@pytest.mark.parametrize("rule", RULES)
def test_decisions_are_the_formulas(rule: str, logits: Batch) -> None:
    sides = plain_sides(rule, images_of(logits))
    assume(all(abs(id_side - ood_side) > 1e-9 for id_side, ood_side in sides))
    expected = [id_side >= ood_side for id_side, ood_side in sides]
    assert accepts(rule, logits["yes_logits"], logits["no_logits"]).tolist() == expected


@pytest.mark.parametrize(
    ("classes", "accepted"),
    [(2, {"ctw": True, "atd": False, "atd_original": True}), (3, {"ctw": True, "atd": False, "atd_original": False})],
)
def test_rules_differ_where_the_mass_is_spread(classes: int, accepted: dict[str, bool]) -> None:
    """Equal classes, p_no 0.4: the winner says yes, but the OOD class of 0.4 exceeds 0.6 / classes, and 1 / 3."""
    yes = np.zeros((1, classes))
    no = np.full((1, classes), math.log(0.4 / 0.6))
    assert {rule: accepts(rule, yes, no).item() for rule in RULES} == accepted


@few
@given(logits=ordinary)
def test_what_atd_accepts_the_other_reading_accepts_too(logits: Batch) -> None:
    both = logits["yes_logits"], logits["no_logits"]
    assert (accepts("atd", *both) <= accepts("atd_original", *both)).all()


@pytest.mark.parametrize("rule", RULES)
def test_a_draw_is_accepted(rule: str) -> None:
    assert accepts(rule, np.ones((1, 1)), np.ones((1, 1))).tolist() == [True]


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_mcm_divides_by_the_scale(scale: float) -> None:
    cosines = np.array([[0.3, 0.1], [0.2, 0.25]])
    expected = 1 / (1 + np.exp([-0.2, -0.05]))
    np.testing.assert_allclose(SCORES["mcm"](scale * cosines, logit_scale=scale), expected)


def test_odin_divides_by_a_thousand_at_any_scale() -> None:
    logits = np.array([[300.0, 100.0]])
    expected = [1 / (1 + math.exp(-0.2))]
    np.testing.assert_allclose(SCORES["odin"](logits, logit_scale=7), expected)
    np.testing.assert_allclose(SCORES["odin_perturbed"](np.zeros((1, 2)), perturbed=logits), expected)


def test_the_surest_patch_counts_by_hand() -> None:
    """Its probability is 1/4, that of the image 1/2; another patch that is surer would be more ID."""
    flat, patches = np.zeros((1, 2)), np.log([[1 / 9, 1 / 3]])
    np.testing.assert_allclose(SCORES["l_mcm"](flat, local=patches), [1 / 4])
    np.testing.assert_allclose(SCORES["gl_mcm"](flat, local=patches), [1 / 2 + 1 / 4])
    for method in ("gl_mcm", "l_mcm"):
        assert SCORES[method](flat, local=patches + 1) > SCORES[method](flat, local=patches)
        assert SCORES[method](flat, local=patches[:, :1]) < SCORES[method](flat, local=patches)


def test_react_reads_nothing_but_the_clipped_logits() -> None:
    logits = np.array([[math.log(2), math.log(3)]])
    np.testing.assert_allclose(SCORES["react"](np.zeros((1, 2)), clipped=logits), [math.log(5)])


@pytest.mark.parametrize("classes", [99, 100, 101, 300])
def test_gen_counts_the_hundred_most_probable_classes(classes: int) -> None:
    """Ten classes share the mass all but alone; of equal classes it does not matter which are dropped."""
    logits = np.zeros((1, classes))
    logits[:, :10] = 5
    total = 10 * math.exp(5) + classes - 10
    often, rarely = math.exp(5) / total, 1 / total
    expected = -10 * (often * (1 - often)) ** 0.1 - min(classes - 10, 90) * (rarely * (1 - rarely)) ** 0.1
    np.testing.assert_allclose(SCORES["gen"](logits), [expected], rtol=1e-12)


def test_gen_of_many_classes() -> None:
    logits = batch(classes=250)
    np.testing.assert_allclose(SCORES["gen"](**logits), plain_scores("gen", images_of(logits)), rtol=1e-12)


@pytest.mark.parametrize("classes", [1, 2, 10, 1000])
def test_entropy_of_equal_classes_is_the_logarithm_of_their_number(classes: int) -> None:
    np.testing.assert_allclose(SCORES["entropy"](np.full((1, classes), 7.0)), [-math.log(classes)], rtol=1e-12)


def test_a_surer_image_has_the_higher_entropy_score() -> None:
    """Minus the entropy, so that in-distribution images score high."""
    gaps = np.array([0.0, 0.1, 1.0, 10.0, 100.0, 700.0])
    assert (np.diff(SCORES["entropy"](np.stack([gaps, np.zeros_like(gaps)], axis=1))) > 0).all()


@pytest.mark.parametrize(("classes", "counted"), [(2, 2), (10, 2), (14, 2), (15, 3), (99, 19), (100, 20), (1000, 200)])
def test_logit_gap_counts_a_fifth_of_the_classes(classes: int, counted: int) -> None:
    """Cosines 0.9, 0.899, 0.898, ...: the mean of the 2nd to N-th lies N / 2 steps below the first."""
    cosines = np.random.default_rng(0).permutation(0.9 - np.arange(classes) / 1000)
    np.testing.assert_allclose(SCORES["logit_gap"](50 * cosines[None], logit_scale=50.0), [counted / 2000], rtol=1e-9)


def test_logit_gap_of_one_class_tells_nothing() -> None:
    assert SCORES["logit_gap"](np.array([[3.0], [4.0]])).tolist() == [0, 0]


@pytest.mark.parametrize("negatives", [1, 99, 100, 101, 199, 200, 250])
def test_neglabel_forms_a_hundred_groups_and_drops_what_is_left_over(negatives: int) -> None:
    logits = batch(images=3, negatives=negatives)
    expected = plain_scores("neglabel", images_of(logits))
    np.testing.assert_allclose(SCORES["neglabel"](**logits), expected, rtol=1e-12)


def test_neglabel_groups_are_consecutive() -> None:
    """200 labels, 100 pairs; one pair weighs 3 + 1 beside the ID label's 1, all others nothing."""
    negatives = np.full((1, 200), -1000.0)
    negatives[:, 4:6] = np.log([3, 1])
    id_labels = np.zeros((1, 1))
    np.testing.assert_allclose(
        SCORES["neglabel"](id_labels, labels=id_labels, negatives=negatives), [(99 + 1 / 5) / 100]
    )


@pytest.mark.parametrize("negatives", [1, 99, 250])
def test_csp_is_neglabel_with_other_words(negatives: int) -> None:
    logits = batch(images=3, negatives=negatives)
    expected = SCORES["neglabel"](logits["yes_logits"], labels=logits["csp_labels"], negatives=logits["csp_negatives"])
    np.testing.assert_array_equal(SCORES["csp"](**logits), expected)


def test_eoe_by_hand() -> None:
    """Weights 4, 2 and 2, 1, 1 at a scale of 50; then an outlier that outweighs the labels."""
    labels, outliers = np.log([[4, 2], [2, 2]]), np.log([[2, 1, 1], [8, 2, 2]])
    found = SCORES["eoe"](np.zeros((2, 2)), logit_scale=50.0, eoe_labels=50 * labels, eoe_outliers=50 * outliers)
    np.testing.assert_allclose(found, [(4 - 2 / 4) / 10, (2 - 8 / 4) / 16], atol=1e-15)


@pytest.mark.parametrize("method", ["neglabel", "csp", "eoe"])
def test_words_that_are_nearer_than_the_classes_speak_against_id(method: str) -> None:
    names = {need: "label" in need for need in NEEDS[method]}
    near = {name: np.array([[20.0, 10.0], [10.0, 10.0], [10.0, 0.0]]) for name in names}
    far = {name: np.array([[5.0, 5.0], [10.0, 10.0], [20.0, 10.0]]) for name in names}
    given = {name: near[name] if is_label else far[name] for name, is_label in names.items()}
    assert (np.diff(SCORES[method](np.zeros((3, 2)), **given)) < 0).all()


def test_eoe_does_not_tie_between_the_ends_of_the_cosine() -> None:
    cosines = np.linspace(-1, 1, 2001)
    labels = np.stack([cosines, -np.ones_like(cosines)], axis=1)
    words = {"eoe_labels": 100 * labels, "eoe_outliers": -100 * np.ones((2001, 3))}
    assert (np.diff(SCORES["eoe"](100 * labels, **words)) > 0).all()
