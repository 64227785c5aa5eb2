"""Which architecture a weight file is of, told by the shapes of its tensors."""

import re
from collections.abc import Mapping
from functools import cache
from math import isqrt
from pathlib import Path
from typing import Any

import open_clip
from torch import Tensor

from clipn.errors import ClipnError
from clipn.model.backbone import architecture

STAGES = 4
"""Groups of blocks of a ResNet."""
STRIDE = 32
"""Pixels per entry of a ResNet's last feature map, along each side."""

FOREIGN = {"multimodal_cfg", "timm_model_name", "no_ln_pre", "hf_model_name", "hf_tokenizer_name"}
"""Settings of architectures whose towers are not CLIP's own."""

Outline = tuple[Any, ...]


def architecture_name(tensors: Mapping[str, Tensor], path: Path) -> str:
    """open_clip's name of the architecture of a CLIP, a "no" tower beside it or not.

    Shapes tell neither the number of heads nor the activation: only architectures that open_clip knows are told, and
    the activation is taken to be GELU, not OpenAI's QuickGELU.

    Args:
        tensors: by name, as in `open_clip.CLIP`.
        path: the file they came from.

    Raises:
        ClipnError: they are not those of a CLIP, or of one that open_clip does not know.
    """
    try:
        outline = _outline(tensors)
    except (KeyError, ValueError) as error:
        raise ClipnError(f"{path}: holds no weights of CLIP (no {error}); give those of a CLIP or CLIPN") from error
    if outline not in _known():
        raise ClipnError(f"{path}: its shapes are of no architecture that open_clip knows; name its architecture")
    return _known()[outline]


def _outline(tensors: Mapping[str, Tensor]) -> Outline:
    """What shapes tell of both towers, in the order of `_known`."""
    context, width = tensors["positional_embedding"].shape
    text = (context, len(tensors["token_embedding.weight"]), width, _blocks(tensors, "transformer.resblocks"))
    embedding = tensors["text_projection"].shape[1]
    if "visual.layer1.0.conv1.weight" in tensors:
        stages = tuple(_blocks(tensors, f"visual.layer{stage + 1}") for stage in range(STAGES))
        grid = isqrt(len(tensors["visual.attnpool.positional_embedding"]) - 1)
        return embedding, STRIDE * grid, stages, len(tensors["visual.layer1.0.conv1.weight"]), None, *text
    width, _, patch, _ = tensors["visual.conv1.weight"].shape
    grid = isqrt(len(tensors["visual.positional_embedding"]) - 1)
    return embedding, patch * grid, _blocks(tensors, "visual.transformer.resblocks"), width, patch, *text


def _blocks(tensors: Mapping[str, Tensor], prefix: str) -> int:
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)\.")
    return len({found[1] for found in map(pattern.match, tensors) if found})


@cache
def _known() -> dict[Outline, str]:
    """Names of open_clip's architectures that have CLIP's own towers, by what shapes tell of them."""
    known: dict[Outline, str] = {}
    for name in open_clip.list_models():
        config = architecture(name)
        vision, text = config["vision_cfg"], config["text_cfg"]
        if FOREIGN & {*config, *vision, *text} or config.get("quick_gelu"):
            continue
        layers = vision["layers"]
        known[
            config["embed_dim"],
            vision["image_size"],
            tuple(layers) if isinstance(layers, list) else layers,
            vision["width"],
            vision["patch_size"],
            text["context_length"],
            text["vocab_size"],
            text["width"],
            text["layers"],
        ] = name
    return known
