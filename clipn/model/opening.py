"""A model from a file or folder as people have it: ours, the authors', or plain CLIP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import read_mapping
from clipn.model import backbone, checkpoint, released
from clipn.model.clipn import CLIP
from clipn.model.shapes import architecture_name
from clipn.model.source import ModelSource
from clipn.model.tensors import read_metadata
from clipn.model.weights import fit, read_weights

HUB_CONFIG = "open_clip_config.json"


def open_model(source: Path | ModelSource, device: str = "cpu") -> CLIP:
    """The model of any weight file, in evaluation mode and frozen; a `CLIPN` if it has a "no" tower.

    Args:
        source: a checkpoint or backbone of this project; weights of CLIP or CLIPN as .safetensors, .pt, .pth, .bin or
            .ckpt; or a folder in the layout of open_clip's hub.
        device: where to.

    Raises:
        ClipnError: missing, damaged or foreign file, or an architecture that cannot be told.
    """
    source = source if isinstance(source, ModelSource) else ModelSource(source)
    model = _opened(source).to(device).eval().requires_grad_(False)
    model.source = source
    return model


def _opened(source: ModelSource) -> CLIP:
    path = source.path
    if path.is_dir():
        return _hub_folder(source)
    stored = read_metadata(path).get("format") if path.suffix == ".safetensors" else None
    if stored == checkpoint.FORMAT:
        return checkpoint.load_checkpoint(path)
    if stored == backbone.FORMAT:
        clip, config = backbone.load_backbone(path)
        return CLIP(clip, backbone.preprocess(config))
    tensors = read_weights(path).tensors
    name = source.architecture or architecture_name(tensors, path)
    config = backbone.pretrained_architecture(name, source.tag)
    if released.has_no_tower(tensors):
        return released.released_model(tensors, config, path, name)
    return _plain(tensors, config, path)


def _hub_folder(source: ModelSource) -> CLIP:
    """As open_clip's hub has it: a configuration, and the weights beside it."""
    described = read_mapping(source.path / HUB_CONFIG)
    if not isinstance(described.get("model_cfg"), dict):
        raise ClipnError(f"{source.path / HUB_CONFIG}: has no `model_cfg`; fetch it from open_clip's hub again")
    config = {**described["model_cfg"], "preprocess_cfg": described.get("preprocess_cfg", {})}
    return _plain(read_weights(source.weights).tensors, config, source.weights)


def _plain(tensors: Mapping[str, Tensor], config: dict[str, Any], path: Path) -> CLIP:
    model = CLIP(backbone.build_to_fill(config), backbone.preprocess(config))
    fit(model.clip, tensors, path, "it is not of this architecture; name its own")
    return model
