"""A random CLIP of the smallest size that the tokenizer admits."""

from copy import deepcopy
from functools import cache

import open_clip
import torch

from clipn.model.backbone import build, preprocess
from clipn.model.clipn import CLIPN

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
ARCHITECTURE = {"embed_dim": 32, "vision_cfg": VISION, "text_cfg": TEXT}


def tiny_clip(seed: int = 0) -> open_clip.CLIP:
    return deepcopy(_drawn(seed))


@cache  # to draw it takes ten times as long as to copy it
def _drawn(seed: int) -> open_clip.CLIP:
    torch.manual_seed(seed)
    return build(ARCHITECTURE)


def tiny_model(seed: int = 0, prompts: int = 4, tokens: int | None = None) -> CLIPN:
    return CLIPN(tiny_clip(seed), preprocess(ARCHITECTURE), prompts, tokens).eval()


def unit(rows: int, width: int = 32, seed: int = 0) -> torch.Tensor:
    """Random unit-norm float32 features (rows, width)."""
    draw = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(draw, dim=-1)


def taught_model(seed: int = 0, prompts: int = 4, tokens: int | None = None) -> CLIPN:
    """The same, frozen, with a "no" tower as different from "yes" as training could make it."""
    model, draw = tiny_model(seed, prompts, tokens).requires_grad_(False), torch.Generator().manual_seed(seed)
    model.no.text_projection.add_(0.1 * torch.randn(32, 32, generator=draw))
    if model.no.prompts is not None:
        model.no.prompts.normal_(generator=draw)
    return model
