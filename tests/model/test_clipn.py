"""The two text towers: cut padding, prompts, what trains and what does not, the classifier."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import open_clip
import PIL.Image
import pytest
import torch
from torch import Tensor, nn

from benchmarks import plain
from clipn.errors import ClipnError
from clipn.losses import itbo, tso
from clipn.model import clipn as model_module
from clipn.model.backbone import build, preprocess
from clipn.model.clipn import CLIPN, NoTextTower, class_weights, encode_in_batches, encode_text
from tests.helpers.tiny_model import ARCHITECTURE, TEXT, VISION, taught_model, tiny_clip, tiny_model, unit

PROMPTS = 4
ROUNDING = 5e-7
"""Largest difference of unit-norm float32 features that kernels of another shape made here was 2.1e-7."""

TEXTS = {
    "one": ["a photo of a dog"],
    "short": ["a photo of a dog", "x"],
    "empty": [""],
    "longer than the context": ["hello world " * 60, "a photo of a dog"],
    "several groups": [f"{n} " + "word " * (23 * n % 41) for n in range(41)],
}
every_text = pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)


@pytest.fixture(scope="module")
def model() -> CLIPN:
    return tiny_model(prompts=PROMPTS)


@pytest.fixture(scope="module")
def taught() -> CLIPN:
    return taught_model(prompts=PROMPTS)


def drawn(tokens: Tensor) -> Tensor:
    """A prompt for every text, the mean among them."""
    return torch.arange(len(tokens)) % (PROMPTS + 1)


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=ROUNDING)


# Against a plain computation of all 77 positions


@every_text
def test_features_are_those_of_whole_texts(taught: CLIPN, texts: list[str]) -> None:
    tokens = taught.tokenizer(texts)
    close(taught.encode_text(tokens), plain.yes_features(taught.clip, tokens))
    close(taught.encode_no_text(tokens), plain.no_features(taught.no, tokens))
    close(taught.no(tokens, drawn(tokens)), plain.no_features(taught.no, tokens, drawn(tokens)))


@every_text
def test_in_float64_they_differ_by_the_last_rounding_alone(taught: CLIPN, texts: list[str]) -> None:
    exact, tokens = deepcopy(taught).double(), taught.tokenizer(texts)
    expected = plain.no_features(exact.no, tokens, drawn(tokens))
    torch.testing.assert_close(exact.no(tokens, drawn(tokens)).double(), expected, rtol=0, atol=1.2e-7)


def test_losses_and_gradients_are_those_of_whole_texts(taught: CLIPN) -> None:
    """Of texts that fill several groups; the towers in float64, features and losses in float32 as ever."""
    ours, theirs = (deepcopy(taught).double().requires_grad_() for _ in range(2))
    tokens, image = taught.tokenizer(TEXTS["several groups"]), unit(41)
    no = ours.no(tokens, drawn(tokens))
    yes = ours.encode_text(tokens).detach()
    losses = torch.stack([*itbo(image, yes, no, 20.0), tso(yes, no)])
    (0.5 * losses.sum()).backward()
    whole = plain.no_features(theirs.no, tokens, drawn(tokens))
    expected = plain.losses(image.double(), plain.yes_features(theirs.clip, tokens).detach(), whole, 20.0)
    expected[3].backward()
    torch.testing.assert_close(losses.double(), expected[:3], rtol=0, atol=1e-6)
    for (name, value), (_, other) in zip(ours.no.named_parameters(), theirs.no.named_parameters(), strict=True):
        assert other.grad is not None
        torch.testing.assert_close(value.grad, other.grad, rtol=0, atol=1e-6, msg=name)


def test_tokens_cut_after_the_longest_text_say_the_same(taught: CLIPN) -> None:
    tokens = taught.tokenizer(TEXTS["several groups"])
    cut = tokens[:, : int(tokens.argmax(dim=1).max()) + 1]
    assert cut.shape[1] == 44
    assert torch.equal(taught.encode_text(cut), taught.encode_text(tokens))
    assert torch.equal(taught.no(cut, drawn(cut)), taught.no(tokens, drawn(tokens)))


def test_texts_of_like_length_are_encoded_together(taught: CLIPN) -> None:
    """41 texts in four groups of like length, each as long as its own longest text."""
    met: list[tuple[int, ...]] = []
    hook = taught.clip.transformer.register_forward_hook(lambda module, args, out: met.append(tuple(out.shape[:2])))
    tokens = taught.tokenizer(TEXTS["several groups"])
    taught.encode_text(tokens)
    hook.remove()
    lengths = sorted(int(text.argmax()) + 1 for text in tokens)
    assert met == [(len(group), group[-1]) for group in (lengths[:11], lengths[11:22], lengths[22:33], lengths[33:])]
    assert sum(texts * length for texts, length in met) < 1.25 * sum(lengths)


# The "no" tower


def test_an_untrained_no_tower_is_the_yes_tower(model: CLIPN) -> None:
    """Exactly, for equal kernels: torch chooses them by whether a tensor may require a gradient."""
    frozen = deepcopy(model).requires_grad_(False)
    for texts in TEXTS.values():
        tokens = model.tokenizer(texts)
        assert torch.equal(frozen.encode_no_text(tokens), frozen.encode_text(tokens))
        close(model.encode_no_text(tokens), model.encode_text(tokens))


def test_a_tower_without_a_bank() -> None:
    """Its texts negate themselves: a bank of none, not one of zeros, so nothing is added and nothing stored."""
    clip = tiny_clip().requires_grad_(False)
    tower = NoTextTower(clip, prompts=0).requires_grad_(False)
    assert tower.prompts is None
    assert set(tower.state_dict()) == set(NoTextTower(clip, PROMPTS).state_dict()) - {"prompts"}
    tokens = tiny_model().tokenizer(TEXTS["several groups"])
    assert torch.equal(tower(tokens), encode_text(clip, tokens))
    assert tiny_model(prompts=PROMPTS).learns_prompts
    assert not tiny_model(prompts=0).learns_prompts


def test_every_sample_gets_its_own_prompt(taught: CLIPN) -> None:
    tokens = taught.tokenizer(["a dog", "a dog", "two long words"])
    features = taught.no(tokens, torch.tensor([3, PROMPTS, 1]))
    assert (features[0] - features[1]).abs().max() > 0.01
    close(features[1:2], taught.encode_no_text(tokens[1:2]))
    with pytest.raises(IndexError):
        taught.no(tokens, torch.tensor([0, 1, PROMPTS + 1]))


def test_prompts_are_added_at_every_position_up_to_the_end_token(model: CLIPN) -> None:
    tokens = model.tokenizer(["a photo of a dog"])
    end = int(tokens.argmax())
    (gradient,) = torch.autograd.grad(model.no(tokens, torch.tensor([1])).sum(), model.no.prompts)
    touched = gradient.abs().sum(dim=2) > 0
    assert touched.nonzero().tolist() == [[1, position] for position in range(end + 1)]


# A bank of fewer positions

FEW = 5


def few_and_many() -> tuple[CLIPN, CLIPN]:
    """A taught model whose bank has few positions, and one of all positions that says the same: zeros beyond."""
    few, many = taught_model(prompts=PROMPTS, tokens=FEW), taught_model(prompts=PROMPTS)
    bank = torch.zeros_like(many.no.prompts)
    bank[:, :FEW] = few.no.prompts
    many.no.prompts.copy_(bank)
    return few, many


def test_the_size_of_a_bank() -> None:
    clip = tiny_clip()
    for tokens, positions in ((None, 77), (77, 77), (FEW, FEW), (1, 1)):
        bank = NoTextTower(clip, PROMPTS, tokens).prompts
        assert bank is not None
        assert torch.equal(bank, torch.zeros(PROMPTS, positions, 32))
    assert NoTextTower(clip, 0, FEW).prompts is None


def test_a_bank_of_more_positions_than_the_context_is_refused() -> None:
    with pytest.raises(
        ClipnError, match=r"^tokens: 78 is more than the 77 positions .*; give at most 77 or leave it out$"
    ):
        CLIPN(tiny_clip(), preprocess(ARCHITECTURE), PROMPTS, tokens=78)


@every_text
def test_positions_beyond_the_bank_get_nothing(texts: list[str]) -> None:
    """Texts that are shorter and longer than the bank, against all 77 positions written out."""
    few, many = few_and_many()
    tokens = few.tokenizer(texts)
    assert torch.equal(few.encode_no_text(tokens), many.encode_no_text(tokens))
    assert torch.equal(few.no(tokens, drawn(tokens)), many.no(tokens, drawn(tokens)))
    close(few.no(tokens, drawn(tokens)), plain.no_features(many.no, tokens, drawn(tokens)))
    assert (few.encode_no_text(tokens) - taught_model(prompts=0).encode_no_text(tokens)).abs().max() > 0.01


@pytest.mark.parametrize("text", ["", "a dog", "several words " * 9])
def test_cut_texts_say_the_same_whatever_the_bank(text: str) -> None:
    few, _ = few_and_many()
    tokens = few.tokenizer([text])
    cut = tokens[:, : int(tokens.argmax()) + 1]
    assert torch.equal(few.encode_no_text(cut), few.encode_no_text(tokens))


def test_gradients_of_a_bank_of_fewer_positions() -> None:
    """Those of the whole bank, as far as it goes."""
    few, many = (model.requires_grad_() for model in few_and_many())
    tokens = few.tokenizer(TEXTS["several groups"])
    gradients = [
        torch.autograd.grad(model.no(tokens, drawn(tokens))[:, 0].sum(), list(model.no.parameters()))
        for model in (few, many)
    ]
    for (name, _), ours, whole in zip(few.no.named_parameters(), *gradients, strict=True):
        assert torch.equal(ours, whole[:, :FEW] if name == "prompts" else whole), name


def test_features_are_unit_norm_float32(taught: CLIPN) -> None:
    tokens = taught.tokenizer(["a dog", "a cat"])
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for features in (taught.encode_image(images), taught.encode_text(tokens), taught.encode_no_text(tokens)):
        assert features.dtype == torch.float32
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(2))
    expected = nn.functional.normalize(taught.clip.visual(images), dim=-1)
    torch.testing.assert_close(taught.encode_image(images), expected)


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


# Many texts


@pytest.mark.parametrize("batch", [1024, 41, 3])
def test_many_texts_keep_their_order(taught: CLIPN, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(model_module, "ENCODE_BATCH", batch)
    tokens = taught.tokenizer(TEXTS["several groups"])
    close(encode_in_batches(taught.encode_text, tokens, "cpu"), plain.yes_features(taught.clip, tokens))


def test_class_weights_are_the_mean_of_unit_features(taught: CLIPN) -> None:
    names, templates = ["dog", "great white shark"], ["a {}.", "'many {}.',", "{}"]
    weights = class_weights(taught.encode_no_text, taught.tokenizer, names, templates)
    for name, weight in zip(names, weights, strict=True):
        total = torch.zeros(32)
        for template in templates:
            total = total + plain.no_features(taught.no, taught.tokenizer([template.format(name)]))[0]
        close(weight, total / total.norm())


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
