"""What scores and decisions take: both kinds of array, alone and from shared evidence; every refusal."""

from typing import Any

import numpy as np
import pytest
import torch

from clipn.errors import ClipnError
from clipn.scores import RULES, SCORES, Evidence, accepts
from tests.helpers.scored_logits import OF_NO_CLASS, Array, batch


@pytest.mark.parametrize("method", SCORES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_in_numpy_out(method: str, dtype: type) -> None:
    logits = {name: matrix.astype(dtype) for name, matrix in batch().items()}
    for scores in (SCORES[method](**logits), SCORES[method].ranking(**logits)):
        assert isinstance(scores, np.ndarray)
        assert (scores.dtype, scores.shape) == (np.float64, (6,))


@pytest.mark.parametrize("method", SCORES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_torch_in_torch_out(method: str, dtype: torch.dtype) -> None:
    logits = {name: torch.from_numpy(matrix).to(dtype).requires_grad_() for name, matrix in batch().items()}
    arrays = {name: matrix.detach().double().numpy() for name, matrix in logits.items()}
    for function in (SCORES[method], SCORES[method].ranking):
        scores = function(**logits)
        assert isinstance(scores, torch.Tensor)
        assert scores.dtype == torch.float64
        np.testing.assert_array_equal(scores.numpy(), function(**arrays))


@pytest.mark.parametrize("rule", RULES)
def test_decisions_are_bool_of_the_same_kind(rule: str) -> None:
    yes, no = batch(50)["yes_logits"], batch(50)["no_logits"]
    accepted = accepts(rule, yes, no)
    assert accepted.dtype == np.bool_
    of_torch = accepts(rule, torch.from_numpy(yes), torch.from_numpy(no))
    assert of_torch.dtype == torch.bool
    assert of_torch.tolist() == accepted.tolist()


@pytest.mark.parametrize("order", [1, -1])
def test_shared_evidence_says_the_same_in_any_order(order: int) -> None:
    logits = batch(20, 150, 130)
    kept = {name: matrix.copy() for name, matrix in logits.items()}
    evidence = Evidence(**logits)
    for name in list(SCORES)[::order]:
        np.testing.assert_array_equal(SCORES[name].of(evidence), SCORES[name].ranking(**kept), err_msg=name)
    for name in list(RULES)[::order]:
        expected = accepts(name, kept["yes_logits"], kept["no_logits"])
        np.testing.assert_array_equal(RULES[name].of(evidence), expected, err_msg=name)
    for name, matrix in logits.items():
        np.testing.assert_array_equal(matrix, kept[name], err_msg=name)


@pytest.mark.parametrize("method", SCORES)
def test_order_of_the_classes_does_not_matter(method: str) -> None:
    logits = batch(20, 150)
    order = np.random.default_rng(1).permutation(150)
    mixed = {name: matrix if name in OF_NO_CLASS else matrix[:, order] for name, matrix in logits.items()}
    np.testing.assert_allclose(SCORES[method].ranking(**mixed), SCORES[method].ranking(**logits), rtol=1e-12)


@pytest.mark.parametrize("method", SCORES)
def test_no_images_have_no_scores(method: str) -> None:
    assert SCORES[method](**batch(images=0)).shape == (0,)


MISSING = [
    ("ctw", "the logits of a `no` text tower (`no_logits`)"),
    ("atd", "the logits of a `no` text tower (`no_logits`)"),
    ("react", "the logits of clipped image features (`clipped`)"),
    ("odin_perturbed", "the logits of perturbed images (`perturbed`)"),
    (
        "neglabel",
        "the logits of the ID labels under its own prompt (`labels`) and the logits of negative labels (`negatives`)",
    ),
    ("gl_mcm", "the log-odds of patches (`local`)"),
    ("l_mcm", "the log-odds of patches (`local`)"),
    (
        "csp",
        "the logits of the ID labels under CSP's prompts (`csp_labels`) and the logits of CSP's negative labels "
        "(`csp_negatives`)",
    ),
    (
        "eoe",
        "the logits of the ID labels under EOE's prompt (`eoe_labels`) and the logits of envisioned outliers "
        "(`eoe_outliers`)",
    ),
]


@pytest.mark.parametrize(("method", "words"), MISSING)
def test_what_a_method_needs(method: str, words: str) -> None:
    yes = np.zeros((2, 3))
    for function in (SCORES[method], SCORES[method].ranking, lambda yes: SCORES[method].of(Evidence(yes))):
        with pytest.raises(ClipnError) as refused:
            function(yes)
        assert str(refused.value) == f"method {method}: needs {words}"


@pytest.mark.parametrize("method", SCORES)
def test_what_a_method_does_not_need_may_be_missing(method: str) -> None:
    logits = batch()
    needed = {name: logits["no_logits" if name == "no" else name] for name in SCORES[method].needs}
    alone = Evidence(logits["yes_logits"], needed.pop("no", None), **needed)
    np.testing.assert_array_equal(SCORES[method].of(alone), SCORES[method].of(Evidence(**logits)))


@pytest.mark.parametrize("rule", RULES)
def test_rules_need_a_no_tower(rule: str) -> None:
    with pytest.raises(ClipnError, match=rf"^rule {rule}: needs the logits of a `no` text tower \(`no_logits`\)$"):
        accepts(rule, np.zeros((2, 3)), None)


FLAT, WIDE, ZEROS = np.zeros(3), np.zeros((2, 4)), np.zeros((2, 3))
BAD_LOGITS: list[tuple[dict[str, Array], str]] = [
    ({"yes_logits": FLAT}, r"yes_logits: expected \(n, classes\), got shape \(3,\); give one image as one row"),
    ({"yes_logits": np.zeros((2, 0))}, r"yes_logits: expected \(n, classes\), got shape \(2, 0\)"),
    ({"no_logits": np.zeros((2, 1))}, r"no_logits: shape \(2, 1\) is not that of yes_logits, \(2, 3\)"),
    ({"no_logits": np.zeros((1, 3))}, r"no_logits: shape \(1, 3\) is not that of yes_logits, \(2, 3\)"),
    ({"clipped": WIDE}, r"clipped: shape \(2, 4\) is not that of yes_logits, \(2, 3\)"),
    ({"perturbed": WIDE}, r"perturbed: shape \(2, 4\) is not that of yes_logits, \(2, 3\)"),
    ({"labels": WIDE}, r"labels: shape \(2, 4\) is not that of yes_logits, \(2, 3\)"),
    ({"local": np.zeros((3, 4))}, r"local: got 3 images, but yes_logits are of 2"),
    ({"local": np.zeros(2)}, r"local: expected \(n, classes\), got shape \(2,\)"),
    ({"csp_labels": WIDE}, r"csp_labels: shape \(2, 4\) is not that of yes_logits, \(2, 3\)"),
    ({"eoe_labels": WIDE}, r"eoe_labels: shape \(2, 4\) is not that of yes_logits, \(2, 3\)"),
    ({"csp_negatives": np.zeros((3, 4))}, r"csp_negatives: got 3 images, but yes_logits are of 2"),
    ({"eoe_outliers": np.zeros((1, 4))}, r"eoe_outliers: got 1 images, but yes_logits are of 2"),
    ({"negatives": np.zeros((3, 4))}, r"negatives: got 3 images, but yes_logits are of 2"),
    ({"negatives": np.zeros((2, 0))}, r"negatives: expected \(n, classes\), got shape \(2, 0\)"),
    ({"yes_logits": np.full((2, 3), np.nan)}, "yes_logits: holds NaN or infinity; check the features"),
    ({"no_logits": np.full((2, 3), -np.inf)}, "no_logits: holds NaN or infinity"),
    ({"negatives": np.full((2, 4), np.inf)}, "negatives: holds NaN or infinity"),
    ({"yes_logits": np.ma.masked_array(ZEROS, ZEROS == 0)}, "yes_logits: is masked; give the images that count alone"),
    ({"no_logits": np.ma.masked_array(ZEROS, ZEROS == 0)}, "no_logits: is masked; give the images that count alone"),
    ({"yes_logits": np.full((2, 3), "x")}, r"yes_logits: is no array of numbers \(could not convert string"),
    ({"yes_logits": np.full((2, 3), 1j)}, r"yes_logits: is no array of numbers \(Cannot cast array data from"),
]


@pytest.mark.parametrize(("logits", "message"), BAD_LOGITS)
def test_bad_logits_are_refused(logits: dict[str, Array], message: str) -> None:
    given_logits: dict[str, Any] = {"yes_logits": ZEROS} | logits
    for function in (*SCORES.values(), *(score.ranking for score in SCORES.values()), Evidence):
        with pytest.raises(ClipnError, match=f"^{message}"):
            function(**given_logits)


@pytest.mark.parametrize("scale", [0, -100.0, float("nan"), float("inf"), "100", None])
def test_a_scale_that_is_no_positive_number(scale: Any) -> None:
    with pytest.raises(ClipnError, match=r"^logit_scale .*: give the positive number that multiplied the cosines$"):
        SCORES["mcm"](ZEROS, logit_scale=scale)


@pytest.mark.parametrize("rule", RULES)
def test_bad_logits_are_refused_by_rules(rule: str) -> None:
    with pytest.raises(ClipnError, match=r"^no_logits: shape"):
        accepts(rule, ZEROS, WIDE)


def test_unknown_rule() -> None:
    with pytest.raises(ClipnError, match=r"rule 'msp': choose one of ctw, atd, atd_original$"):
        accepts("msp", ZEROS, ZEROS)
