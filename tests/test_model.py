"""The two text towers: cut padding, prompts, what trains and what does not, the classifier."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import open_clip
import PIL.Image
import pytest
import torch
from torch import nn

from clipn import model as model_module
from clipn.backbone import build, preprocess
from clipn.errors import ClipnError
from clipn.losses import itbo, tso
from clipn.model import CLIPN, class_weights, encode_text
from tests.tiny_model import ARCHITECTURE, TEXT, VISION, tiny_model, unit

PROMPTS = 4
ROUNDING = 5e-7
"""Largest difference of unit-norm float32 features that kernels of another shape made here was 2.1e-7."""

TEXTS = {
    "short": ["a photo of a dog", "x"],
    "empty": [""],
    "longer than the context": ["hello world " * 60, "a photo of a dog"],
}


@pytest.fixture(scope="module")
def model() -> CLIPN:
    return tiny_model(prompts=PROMPTS)


@pytest.fixture(scope="module")
def trained(model: CLIPN) -> CLIPN:
    """The same with prompts as different as training could make them."""
    other = deepcopy(model)
    nn.init.normal_(other.no.prompts, generator=torch.Generator().manual_seed(1))
    return other


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_cutting_the_padding_changes_nothing(model: CLIPN, texts: list[str]) -> None:
    tokens = model.tokenizer(texts)
    whole = model.clip.encode_text(tokens, normalize=True)
    torch.testing.assert_close(model.encode_text(tokens), whole, rtol=0, atol=ROUNDING)


def test_an_untrained_no_tower_is_the_yes_tower(model: CLIPN) -> None:
    """Exactly, for equal kernels: torch chooses them by whether a tensor may require a gradient."""
    frozen = deepcopy(model).requires_grad_(False)
    for texts in TEXTS.values():
        tokens = model.tokenizer(texts)
        assert torch.equal(frozen.encode_no_text(tokens), frozen.encode_text(tokens))
        torch.testing.assert_close(model.encode_no_text(tokens), model.encode_text(tokens), rtol=0, atol=ROUNDING)


def test_prompts_are_chosen_by_number_and_the_last_is_their_mean(trained: CLIPN) -> None:
    bank = trained.no.prompts
    mean = torch.stack(list(bank)).sum(dim=0) / PROMPTS
    chosen = trained.no.prompt(torch.tensor([2, PROMPTS, 0]))
    torch.testing.assert_close(chosen, torch.stack([bank[2], mean, bank[0]]))
    torch.testing.assert_close(trained.no.prompt(), mean)
    with pytest.raises(IndexError):
        trained.no.prompt(torch.tensor([PROMPTS + 1]))


def test_every_sample_gets_its_own_prompt(trained: CLIPN) -> None:
    tokens = trained.tokenizer(["a dog", "a dog", "two long words"])
    choice = [3, PROMPTS, 1]
    alone = [
        encode_text(trained.no, tokens[row : row + 1], trained.no.prompt(torch.tensor([number])))
        for row, number in enumerate(choice)
    ]
    together = trained.no(tokens, torch.tensor(choice))
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=ROUNDING)
    assert (together[0] - together[1]).abs().max() > 0.01
    torch.testing.assert_close(together[1:2], trained.encode_no_text(tokens[1:2]), rtol=0, atol=ROUNDING)


def test_prompts_are_added_at_every_position_up_to_the_end_token(trained: CLIPN) -> None:
    tokens = trained.tokenizer(["a photo of a dog"])
    end = int(tokens.argmax())
    (gradient,) = torch.autograd.grad(trained.no(tokens, torch.tensor([1])).sum(), trained.no.prompts)
    touched = gradient.abs().sum(dim=2) > 0
    assert touched.nonzero().tolist() == [[1, position] for position in range(end + 1)]


def test_features_are_unit_norm_float32(trained: CLIPN) -> None:
    tokens = trained.tokenizer(["a dog", "a cat"])
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for features in (trained.encode_image(images), trained.encode_text(tokens), trained.encode_no_text(tokens)):
        assert features.dtype == torch.float32
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(2))
    expected = nn.functional.normalize(trained.clip.visual(images), dim=-1)
    torch.testing.assert_close(trained.encode_image(images), expected)


def test_only_the_no_tower_learns() -> None:
    model = tiny_model(prompts=PROMPTS)
    tokens = model.tokenizer(["a dog", "a cat", "a bird"])
    yes, image = model.encode_text(tokens), unit(3)
    no = model.no(tokens, torch.tensor([0, 1, PROMPTS]))
    total = torch.stack([*itbo(image, yes, no, model.logit_scale), tso(yes, no)]).sum()
    learning = dict(model.no.named_parameters())
    gradients = dict(zip(learning, torch.autograd.grad(total, list(learning.values())), strict=True))
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        f"no.{name}" for name in learning
    }
    assert not yes.requires_grad
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())
    assert (gradients["prompts"].flatten(1).abs().sum(dim=1) > 0).all()


def test_logit_scale_is_the_exponential() -> None:
    model = tiny_model()
    model.clip.logit_scale.data.fill_(math.log(100))
    assert model.logit_scale == pytest.approx(100, rel=1e-6)


def test_images_are_preprocessed_to_the_tower(model: CLIPN) -> None:
    pixels = model.preprocess(PIL.Image.new("RGB", (50, 40), (255, 0, 0)))
    expected = (torch.tensor([1.0, 0, 0]) - torch.tensor(open_clip.OPENAI_DATASET_MEAN)) / torch.tensor(
        open_clip.OPENAI_DATASET_STD
    )
    assert pixels.shape == (3, 32, 32)
    torch.testing.assert_close(pixels, expected[:, None, None].expand(3, 32, 32))


@pytest.mark.parametrize("batch", [1024, 3])
def test_class_weights_are_the_mean_of_unit_features(
    trained: CLIPN, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(model_module, "ENCODE_BATCH", batch)
    names, templates = ["dog", "great white shark"], ["a {}.", "'many {}.',", "{}"]
    weights = class_weights(trained.encode_no_text, trained.tokenizer, names, templates)
    for name, weight in zip(names, weights, strict=True):
        total = torch.zeros(32)
        for template in templates:
            total = total + trained.encode_no_text(trained.tokenizer([template.format(name)]))[0]
        torch.testing.assert_close(weight, total / total.norm(), rtol=0, atol=ROUNDING)


def unlike_clip(**text: Any) -> Callable[[], nn.Module]:
    return lambda: build({**ARCHITECTURE, "text_cfg": {**TEXT, **text}})


@pytest.mark.parametrize(
    "make",
    [
        unlike_clip(no_causal_mask=True),
        unlike_clip(pool_type="last"),
        lambda: open_clip.CustomTextCLIP(32, VISION, TEXT),
        lambda: nn.Linear(1, 1),
    ],
    ids=["no causal mask", "pooled elsewhere", "another class", "no CLIP"],
)
def test_other_text_towers_are_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ClipnError, match="architecture: needs CLIP's causal text transformer"):
        CLIPN(make(), preprocess(ARCHITECTURE))


@pytest.mark.parametrize("change", [{"embed_dim": None}, {"text_cfg": {"wdith": 3}}])
def test_architectures_that_cannot_be_built(change: dict[str, Any]) -> None:
    with pytest.raises(ClipnError, match="architecture: open_clip cannot build it"):
        build({**ARCHITECTURE, **change})
