"""Backbones: an open_clip architecture and its weights in one safetensors file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from clipn.errors import ClipnError
from clipn.files import atomic, read_json, require
from clipn.model import require_clip_text_tower

FORMAT = "clipn-backbone-1"
HEADER = "clipn"
"""Key of a safetensors file under which all metadata lies as JSON."""
Preprocess = Callable[[Image.Image], torch.Tensor]


def architecture(name: str) -> dict[str, Any]:
    """open_clip's configuration of a named architecture, or that of a JSON file of the same form.

    Raises:
        ClipnError: neither an open_clip name nor a readable file.
    """
    if name.endswith(".json"):
        return dict(read_json(Path(name)))
    config = open_clip.get_model_config(name)
    if config is None:
        raise ClipnError(
            f"architecture: open_clip has no {name!r}; name one of open_clip.list_models() or a .json file"
        )
    return dict(config)


def build(config: dict[str, Any]) -> open_clip.CLIP:
    """A randomly initialised float32 CLIP in evaluation mode.

    Raises:
        ClipnError: the configuration is not that of a CLIP model.
    """
    known = {key: config[key] for key in ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu") if key in config}
    try:
        return open_clip.CLIP(**known).eval()
    except (TypeError, AssertionError) as error:
        raise ClipnError(f"architecture: open_clip cannot build it ({error}); check its keys") from error


def preprocess(config: dict[str, Any]) -> Preprocess:
    """CLIP's evaluation transform: bicubic resize of the shorter side, centre crop, OpenAI mean and deviation."""
    size = config["vision_cfg"].get("image_size", 224)
    transform: Preprocess = open_clip.image_transform(
        size,
        is_train=False,
        mean=open_clip.OPENAI_DATASET_MEAN,
        std=open_clip.OPENAI_DATASET_STD,
        interpolation="bicubic",
    )
    return transform


def fetch_pretrained(name: str, pretrained: str) -> tuple[open_clip.CLIP, dict[str, Any]]:
    """A pretrained model by open_clip tag or local file, and its architecture.

    Raises:
        ClipnError: unknown architecture or tag, or the weights could not be had.
    """
    config = architecture(name)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained not in tags and not Path(pretrained).exists():
        raise ClipnError(f"pretrained: {name} has no {pretrained!r}; choose one of {', '.join(tags)} or a local file")
    if pretrained == "openai":
        config["quick_gelu"] = True
    try:
        model = open_clip.create_model(
            name,
            pretrained=pretrained,
            force_quick_gelu=bool(config.get("quick_gelu")),
            require_pretrained=True,
        )
    except Exception as error:  # a foreign file can make the unpickler raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ClipnError(
            f"pretrained: {name}/{pretrained} could not be loaded ({reason:.200}); check the network or the file"
        ) from error
    require_clip_text_tower(model)
    return model.eval(), config


def save_backbone(path: Path, model: open_clip.CLIP, config: dict[str, Any], name: str) -> None:
    """Write weights and architecture atomically as safetensors."""
    metadata = {"format": FORMAT, "name": name, "architecture": json.dumps(config)}
    write_safetensors(path, model.state_dict(), metadata)


def load_backbone(path: Path) -> tuple[open_clip.CLIP, dict[str, Any]]:
    """The model of a backbone file, in evaluation mode, and its architecture.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, metadata = read_safetensors(path, FORMAT)
    config = json.loads(metadata["architecture"])
    model = build(config)
    model.load_state_dict(tensors)
    return model, config


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata atomically; the same content gives the same bytes.

    safetensors writes metadata in random order, so all of it lies under one key.
    """
    whole = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    with atomic(path) as temporary:
        save_file(whole, temporary, {HEADER: json.dumps(dict(metadata))})


def read_safetensors(path: Path, file_format: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """All tensors and the metadata of a safetensors file of one of this project's formats.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    require(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ClipnError(f"{path}: not a whole safetensors file ({error}); delete it and make it again") from error
    if metadata.get("format") != file_format:
        raise ClipnError(f"{path}: holds {metadata.get('format', 'something else')!r}, expected {file_format!r}")
    return tensors, metadata
