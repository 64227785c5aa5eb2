"""Features of patches against the tower's formula, written out from its weights in float64; which towers have them."""

from math import sqrt
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipn.errors import ClipnError
from clipn.model.backbone import architecture, build
from clipn.model.patches import patch_features
from clipn.model.vision import require_patches
from tests.helpers.project import ROOT
from tests.helpers.tiny_model import ARCHITECTURE, VISION

Settings = dict[str, Any]

TOWERS: dict[str, Settings] = {
    "plain": {},
    "OpenAI's": {"quick_gelu": True},
    "one block": {"layers": 1},
    "layer scale": {"ls_init_value": 0.3},
    "no norm before": {"no_ln_pre": True},
    "average of patches": {"pool_type": "avg", "final_ln_after_pool": True},
    "patch dropout in training": {"patch_dropout": 0.5},
    "scaled parts": {"scale_attn": True, "scale_fc": True, "scale_attn_inner": True},
}
HEADS = 2


def clip_of(quick_gelu: bool = False, **vision: Any) -> open_clip.CLIP:
    """A CLIP of two blocks in float64, none of whose weights is 0 or 1."""
    torch.manual_seed(0)
    settings = {**VISION, "layers": 2, "patch_size": 8, "head_width": 32 // HEADS, **vision}
    clip = build({**ARCHITECTURE, "vision_cfg": settings, "quick_gelu": quick_gelu}).double().requires_grad_(False)
    for parameter in clip.visual.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    return clip


def images(number: int = 3) -> Tensor:
    return torch.randn(number, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


class PlainTower:
    """A Vision Transformer from nothing but its tensors.

    Attributes:
        weights: by name.
        quick: whether its activation is OpenAI's.
    """

    def __init__(self, clip: open_clip.CLIP, quick: bool) -> None:
        self.weights: dict[str, Tensor] = clip.visual.state_dict()
        self.quick = quick

    def tokens(self, images: Tensor, last_looks: bool) -> Tensor:
        """Projected features (n, 1 + patches, d); of the last block's value path, unless its tokens may look around."""
        kernel = self.weights["conv1.weight"]
        patches = images.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        first = self.weights["class_embedding"].expand(len(images), 1, -1)
        x = torch.cat([first, patches @ kernel.flatten(1).T], dim=1) + self.weights["positional_embedding"]
        x = self.normed(x, "ln_pre")
        blocks = {name.split(".")[2] for name in self.weights if name.startswith("transformer.")}
        for number in sorted(blocks):
            looks = last_looks or number != max(blocks)
            x = self.block(x, f"transformer.resblocks.{number}", looks)
        return self.normed(x, "ln_post") @ self.weights["proj"]

    def block(self, x: Tensor, name: str, looks: bool) -> Tensor:
        query, key, value = self.linear(self.normed(x, f"{name}.ln_1"), f"{name}.attn.in_proj", "_").chunk(3, dim=-1)
        if looks:
            heads = zip(*(part.chunk(HEADS, dim=-1) for part in (query, key, value)), strict=True)
            looked = [(q @ k.mT / sqrt(q.shape[-1])).softmax(dim=-1) @ v for q, k, v in heads]
            value = torch.cat(looked, dim=-1)
        value = self.linear(self.normed(value, f"{name}.attn.ln_inner"), f"{name}.attn.out_proj")
        x = x + self.normed(value, f"{name}.ln_attn") * self.weights.get(f"{name}.ls_1.gamma", 1)
        wide = self.linear(self.normed(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")
        active = wide * (torch.sigmoid(1.702 * wide) if self.quick else (1 + torch.erf(wide / sqrt(2))) / 2)
        narrow = self.linear(self.normed(active, f"{name}.mlp.ln"), f"{name}.mlp.c_proj")
        return x + narrow * self.weights.get(f"{name}.ls_2.gamma", 1)

    def linear(self, x: Tensor, name: str, joint: str = ".") -> Tensor:
        return x @ self.weights[f"{name}{joint}weight"].T + self.weights[f"{name}{joint}bias"]

    def normed(self, x: Tensor, name: str) -> Tensor:
        """Layer normalisation, where the tower has one."""
        if f"{name}.weight" not in self.weights:
            return x
        centred = x - x.mean(dim=-1, keepdim=True)
        scaled = centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


@pytest.mark.parametrize("name", TOWERS)
def test_patches_are_read_by_the_value_path_of_the_last_block(name: str) -> None:
    clip = clip_of(**TOWERS[name])
    plain = PlainTower(clip, quick="quick_gelu" in TOWERS[name])
    found = patch_features(clip, images())
    assert (found.shape, found.dtype) == ((3, 16, 32), torch.float32)
    expected = normalize(plain.tokens(images(), last_looks=False)[:, 1:], dim=-1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)
    ordinary = normalize(plain.tokens(images(), last_looks=True)[:, 1:], dim=-1)
    assert (found - ordinary).abs().amax(dim=2).min() > 1e-3


@pytest.mark.parametrize("name", ["plain", "OpenAI's", "layer scale", "no norm before", "scaled parts"])
def test_the_formula_is_that_of_the_tower(name: str) -> None:
    """Where the last block looks around, too, its first token is the feature of the image."""
    clip = clip_of(**TOWERS[name])
    plain = PlainTower(clip, quick="quick_gelu" in TOWERS[name])
    torch.testing.assert_close(plain.tokens(images(), last_looks=True)[:, 0], clip.encode_image(images()))


def test_a_patch_knows_nothing_of_the_others_in_the_last_block() -> None:
    """Of a tower of one block it is a function of its own pixels."""
    clip, changed = clip_of(layers=1), images()
    changed[:, :, :8, :8] = 0
    moved = (patch_features(clip, changed) - patch_features(clip, images())).abs().amax(dim=2) > 1e-5
    assert moved.sum(dim=0).tolist() == [3] + [0] * 15


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("RN50", "is a ResNet"),
        (str(ROOT / "config/architectures/tiny.json"), "is a ResNet"),
        ("convnext_base", "is one of timm"),
        ("coca_ViT-B-32", "pools by attention"),
    ],
)
def test_other_towers_have_no_patches(name: str, kind: str) -> None:
    with pytest.raises(ClipnError) as refused:
        require_patches(architecture(name)["vision_cfg"], name)
    reason = f"{name}: its image tower {kind}, but patches are read of CLIP's Vision Transformer alone"
    remedy = "leave out the methods gl_mcm and l_mcm, or choose ViT-B-32, ViT-B-16, ..."
    assert str(refused.value) == f"{reason}; {remedy}"


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16-quickgelu", "ViT-H-14"])
def test_vision_transformers_have_patches(name: str) -> None:
    require_patches(architecture(name)["vision_cfg"], name)
