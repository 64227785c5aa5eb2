"""A detector built from class names: everything it says against the weights worked out one text at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import clipn
from benchmarks import plain
from clipn.errors import ClipnError
from clipn.model.checkpoint import save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.scores import RULES, SCORES, accepts
from clipn.text.prompts import no_prompt_pool, prompt_pool
from tests.helpers.tiny_model import ARCHITECTURE, taught_model

CLASSES = ["dog", "great white shark", "acoustic guitar"]
HANDCRAFTED, LEARNED = 0, 4
METHODS = [name for name, score in SCORES.items() if score.needs <= {"no"}]
"""Those that the logits of both towers are enough for."""


@pytest.fixture(scope="module", params=[LEARNED, HANDCRAFTED], ids=["learned prompts", "hand-crafted"])
def model(request: pytest.FixtureRequest) -> CLIPN:
    return taught_model(prompts=request.param)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def expected_logits(model: CLIPN, images: Tensor, pool: str, scale: float) -> tuple[Tensor, Tensor]:
    """Both towers' logits (n, classes), from every text at full length, in float64."""
    negated = no_prompt_pool(pool) if model.no.prompts is None else prompt_pool(pool)
    yes, no = [], []
    for name in CLASSES:
        said, denied = (model.tokenizer([template.format(name) for template in part])
                        for part in (prompt_pool(pool), negated))  # fmt: skip
        yes.append(normalize(plain.yes_features(model.clip, said).double().mean(dim=0), dim=0))
        no.append(normalize(plain.no_features(model.no, denied).double().mean(dim=0), dim=0))
    image = normalize(model.clip.encode_image(images).double(), dim=1)
    return scale * image @ torch.stack(yes).T, scale * image @ torch.stack(no).T


@pytest.mark.parametrize(("pool", "scale"), [("single", 100.0), ("clipn128", 100.0), ("single", None)])
def test_all_it_says(model: CLIPN, images: Tensor, pool: str, scale: float | None) -> None:
    detector = clipn.Detector(model, CLASSES, pool, scale)
    factor = model.logit_scale if scale is None else scale
    yes, no = expected_logits(model, images, pool, factor)
    assert detector.logit_scale == factor
    assert not torch.allclose(yes, no, atol=0.1)
    for given in (images, model.encode_image(images)):
        for ours, theirs in ((detector.yes_logits(given), yes), (detector.no_logits(given), no)):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
            assert ours.dtype == torch.float64
        assert detector.classify(given).tolist() == yes.argmax(dim=1).tolist()
        for method in METHODS:
            expected = SCORES[method](yes, no, factor)
            torch.testing.assert_close(detector.score(given, method), expected, rtol=0, atol=1e-4)
        for rule in RULES:
            assert torch.equal(detector.accepts(given, rule), accepts(rule, yes, no))


def test_agreeing_to_differ_is_the_default(model: CLIPN, images: Tensor) -> None:
    detector = clipn.Detector(model, CLASSES, "single")
    assert torch.equal(detector.score(images), detector.score(images, "atd"))
    assert torch.equal(detector.accepts(images), detector.accepts(images, "atd"))


def test_one_image_is_scored_as_among_others(model: CLIPN, images: Tensor) -> None:
    detector = clipn.Detector(model, CLASSES, "single")
    torch.testing.assert_close(detector.score(images[3:4]), detector.score(images)[3:4], rtol=0, atol=1e-4)


def test_a_hand_crafted_model_is_asked_by_templates_that_negate() -> None:
    """With the "yes" templates instead, it would answer otherwise."""
    model = taught_model(prompts=HANDCRAFTED)
    detector = clipn.Detector(model, ["dog"], "single")
    said, denied = (normalize(model.encode_no_text(model.tokenizer([text])).double(), dim=1)
                    for text in ("a photo of a dog.", "a photo of no dog."))  # fmt: skip
    torch.testing.assert_close(detector.no_weights, denied, rtol=0, atol=1e-6)
    assert (detector.no_weights - said).abs().max() > 1e-3


def test_classes_of_the_same_name_are_one_class_with_a_warning(model: CLIPN, images: Tensor) -> None:
    with pytest.warns(UserWarning, match="^classes: number 3 is ' cat', as number 1 is; they are one class$"):
        detector = clipn.Detector(model, ["cat", "dog", " cat"], "single")
    assert detector.classes == ["cat", "dog"]
    assert torch.equal(detector.score(images), clipn.Detector(model, ["cat", "dog"], "single").score(images))


def test_classes_of_other_kinds_and_a_later_change_of_the_list(model: CLIPN, images: Tensor) -> None:
    names = list(CLASSES)
    detector = clipn.Detector(model, names, "single")
    names.clear()
    for given in (tuple(CLASSES), pd.Series(CLASSES), np.array(CLASSES)):
        assert torch.equal(detector.yes_logits(images), clipn.Detector(model, given, "single").yes_logits(images))


def test_all_at_once(model: CLIPN, images: Tensor) -> None:
    detector = clipn.Detector(model, CLASSES, "single")
    found = detector.detect(images, "ctw", "atd_original")
    assert found.accepted is not None
    assert found.accepted.tolist() == detector.accepts(images, "atd_original").tolist()
    assert found.best.tolist() == detector.classify(images).tolist()
    np.testing.assert_array_equal(found.score, detector.score(images, "ctw"))
    np.testing.assert_allclose(found.share, detector.yes_logits(images).softmax(dim=1).amax(dim=1), rtol=1e-12)
    assert (np.argsort(found.ranking) == np.argsort(found.score)).all()


def test_a_threshold_accepts_the_share_that_it_was_calibrated_for(model: CLIPN) -> None:
    """On average over many draws of the images that it is taken from; each draw is of the same images."""
    features = model.encode_image(torch.randn(600, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    detector, rng = clipn.Detector(model, CLASSES, "single"), np.random.default_rng(0)
    covered = []
    for _ in range(300):
        order = torch.from_numpy(rng.permutation(len(features)))
        detector.calibrate(features[order[:99]], 0.9)
        covered.append(detector.accepts(features[order[99:]]).double().mean().item())
    # 90 of 100: without ties the expected share is the promised one exactly.
    assert np.mean(covered) == pytest.approx(0.9, abs=4 * np.std(covered) / np.sqrt(len(covered)))


def test_a_threshold_decides_on_scores_of_its_own_method_alone(model: CLIPN, images: Tensor) -> None:
    detector = clipn.Detector(model, CLASSES, "single")
    detector.calibrate(images, 0.9, "mcm")
    with pytest.raises(ClipnError, match=r"^method msp: the threshold is of mcm; calibrate, or name a rule$"):
        detector.detect(images, "msp")
    detector.detect(images, "msp", "atd")
    assert detector.calibrate(images, 0.9, "msp").method == "msp"


def test_the_method_of_the_threshold_is_the_default_then(model: CLIPN, images: Tensor) -> None:
    detector = clipn.Detector(model, CLASSES, "single")
    threshold = detector.calibrate(images, 0.9, "mcm")
    assert torch.equal(detector.score(images), detector.score(images, "mcm"))
    assert torch.equal(detector.accepts(images), detector.score(images) >= threshold.score)
    assert torch.equal(detector.accepts(images, "atd"), clipn.Detector(model, CLASSES, "single").accepts(images))


def test_answers_carry_no_gradient(images: Tensor) -> None:
    model = taught_model().requires_grad_(True)
    detector = clipn.Detector(model, CLASSES, "single")
    for answer in (detector.yes_logits(images), detector.no_logits(images), detector.score(images)):
        assert not answer.requires_grad


def test_a_saved_checkpoint_answers_alike(tmp_path: Path, model: CLIPN, images: Tensor) -> None:
    save_checkpoint(tmp_path / "model.safetensors", model.state_dict(), ARCHITECTURE, {})
    loaded = clipn.Detector(clipn.load(tmp_path / "model.safetensors"), CLASSES, "single")
    assert torch.equal(loaded.score(images), clipn.Detector(model, CLASSES, "single").score(images))


# Refusals


@pytest.mark.parametrize("classes", [[], "dog"])
def test_no_list_of_classes(model: CLIPN, classes: Any) -> None:
    with pytest.raises(ClipnError, match="classes: give a list with at least one name"):
        clipn.Detector(model, classes)


@pytest.mark.parametrize("name", ["", " ", None, 7, float("nan")])
def test_a_class_without_a_name(model: CLIPN, name: Any) -> None:
    with pytest.raises(ClipnError, match=f"^classes: number 2 is {name!r}; give every class a name$"):
        clipn.Detector(model, ["dog", name])


def test_tensors_of_another_size(model: CLIPN) -> None:
    with pytest.raises(
        ClipnError, match=r"^images: tensors of 40 x 32 pixels, expected 32 x 32; apply `model\.preprocess`$"
    ):
        clipn.Detector(model, CLASSES, "single").score(torch.zeros(2, 3, 40, 32))


def test_no_images(model: CLIPN) -> None:
    with pytest.raises(ClipnError, match=r"^images: there are none; give one at least$"):
        clipn.Detector(model, CLASSES, "single").score([])


def test_unknown_method_and_rule(model: CLIPN, images: Tensor) -> None:
    detector = clipn.Detector(model, CLASSES, "single")
    with pytest.raises(ClipnError, match="method 'dice': choose one of msp, "):
        detector.score(images, "dice")
    with pytest.raises(ClipnError, match="rule 'mcm': choose one of ctw, atd, atd_original"):
        detector.accepts(images, "mcm")


@pytest.mark.parametrize("method", [name for name in SCORES if name not in METHODS])
def test_methods_that_need_more_than_images_and_classes(model: CLIPN, images: Tensor, method: str) -> None:
    with pytest.raises(ClipnError, match=f"^method {method}: needs more than images and classes; score it with"):
        clipn.Detector(model, CLASSES, "single").score(images, method)


def test_an_unknown_pool_is_refused_when_the_detector_is_made(model: CLIPN) -> None:
    with pytest.raises(ClipnError, match=r"no pool 'clipn127'.*; choose one of clipn128, "):
        clipn.Detector(model, CLASSES, "clipn127")


def test_a_pool_that_cannot_negate_is_refused_when_the_detector_is_made() -> None:
    assert clipn.Detector(taught_model(prompts=LEARNED), CLASSES, "openai80").no_weights.shape == (3, 32)
    with pytest.raises(ClipnError, match="no pool 'openai80' that negates; choose one of clipn128, "):
        clipn.Detector(taught_model(prompts=HANDCRAFTED), CLASSES, "openai80")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("features", [False, True])
def test_no_answer_is_given_of_what_is_no_number(model: CLIPN, images: Tensor, value: float, features: bool) -> None:
    given = (model.encode_image(images) if features else images)[:4].clone()
    given[2].view(-1)[0] = value
    detector = clipn.Detector(model, CLASSES, "single")
    said = "images: 1 features are not finite" if features else "images: features of number 3 hold NaN or infinity"
    for ask in (detector.classify, detector.accepts, detector.score, detector.detect, detector.yes_logits):
        with pytest.raises(ClipnError, match=said):
            ask(given)


@pytest.mark.parametrize("scale", [0, -1, torch.nan, torch.inf, "100"])
def test_a_scale_that_is_no_positive_number(model: CLIPN, scale: Any) -> None:
    with pytest.raises(ClipnError, match=r"logit_scale .*: give the positive number"):
        clipn.Detector(model, CLASSES, "single", scale)
