"""Backbones: an open_clip architecture and its weights in one safetensors file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from torch.overrides import TorchFunctionMode

from clipn.errors import ClipnError
from clipn.files import read_mapping
from clipn.model.clipn import require_clip_text_tower
from clipn.model.tensors import mapping_in, read_safetensors, write_safetensors
from clipn.model.weights import fit, read_weights

FORMAT = "clipn-backbone-1"
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
"""What open_clip's table says of the images that a model wants."""
MOST_LAYERS = 1000
"""Of a tower; large ones have about 60."""
Preprocess = Callable[[Image.Image], torch.Tensor]


def architecture(name: str) -> dict[str, Any]:
    """open_clip's configuration of a named architecture, or that of a JSON file of the same form.

    Raises:
        ClipnError: neither an open_clip name nor a readable file of a mapping.
    """
    if name.endswith(".json"):
        return read_mapping(Path(name))
    config = open_clip.get_model_config(name)
    if config is None:
        raise ClipnError(
            f"architecture: open_clip has no {name!r}; name one of open_clip.list_models() or a .json file"
        )
    return dict(config)


def build(config: dict[str, Any], source: str = "architecture") -> open_clip.CLIP:
    """A randomly initialised float32 CLIP in evaluation mode; nothing is ever downloaded for it.

    Args:
        config: open_clip's configuration.
        source: where it comes from, for messages.

    Raises:
        ClipnError: the configuration is not that of a CLIP model, or names towers that only a hub has.
    """
    # Configurations hold more than the class takes, such as `preprocess_cfg` and `custom_text`.
    arguments = {key: config[key] for key in ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu") if key in config}
    try:
        # timm and transformers would fetch these: weights, which come from the file anyway, and whole towers.
        vision = arguments["vision_cfg"] = {**arguments["vision_cfg"], "timm_model_pretrained": False}
        text = arguments["text_cfg"]
        if ":" in (vision.get("timm_model_name") or "") or text.get("hf_model_name") or text.get("hf_tokenizer_name"):
            raise ClipnError(
                f"{source}: has a tower or tokenizer from a hub, which is not asked; choose ViT-B-32, ViT-B-16, ..."
            )
        for layers in (vision.get("layers", 0), text.get("layers", 0)):
            if max(layers if isinstance(layers, list) else [layers]) > MOST_LAYERS:
                raise ClipnError(f"{source}: has more than {MOST_LAYERS:,} layers; correct it")
        return open_clip.CLIP(**arguments).eval()
    except ClipnError:
        raise
    # open_clip checks nothing beforehand: anything is raised, from wherever a key or a size does not fit.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ClipnError(f"{source}: open_clip cannot build it ({reason:.200}); check its keys") from error


def build_to_fill(config: dict[str, Any], source: str = "architecture") -> open_clip.CLIP:
    """As `build`, but its weights are for `clipn.model.weights.fit` to give: to draw a ViT-B/32 takes a second."""
    with _Undrawn():
        return build(config, source)


class _Undrawn(TorchFunctionMode):
    """Lets `torch.nn.init` leave tensors as they are."""

    def __torch_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # The method, too: `xavier_uniform_`, which attention calls, asks no mode before it.
        if function is torch.Tensor.uniform_ or getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def preprocess(config: dict[str, Any]) -> Preprocess:
    """The evaluation transform that `preprocess_cfg` of the architecture asks for.

    CLIP's by default: bicubic resize of the shorter side, centre crop, OpenAI mean and deviation.

    Raises:
        ClipnError: it holds something else than open_clip's settings.
    """
    size, settings = config["vision_cfg"].get("image_size", 224), config.get("preprocess_cfg") or {}
    try:
        # Keys that are missing are left out and not None, so that open_clip's defaults stay in force.
        given = {key: settings[key] for key in settings.keys() & PREPROCESSING}
        transform: Preprocess = open_clip.image_transform(size, is_train=False, **given)
    except (TypeError, ValueError, AttributeError, AssertionError) as error:
        raise ClipnError(f"architecture: `preprocess_cfg` cannot be used ({error}); check its keys") from error
    return transform


def pretrained_architecture(name: str, tag: str | None) -> dict[str, Any]:
    """An architecture as the weights of an open_clip tag want it: their activation and preprocessing.

    Raises:
        ClipnError: unknown architecture or tag.
    """
    config = architecture(name)
    if tag is None:
        return config
    pretrained = open_clip.get_pretrained_cfg(name, tag)
    if not pretrained:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise ClipnError(f"tag: open_clip has no {tag!r} of {name}; choose one of {tags}, or give no tag")
    if "quick_gelu" in pretrained:
        config["quick_gelu"] = pretrained["quick_gelu"]
    settings = {key: pretrained[key] for key in PREPROCESSING}
    # As lists: the header of a backbone file is JSON, and what is read back must equal what was written.
    config["preprocess_cfg"] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
    }
    return config


def import_backbone(
    weights: Path, architecture_name: str, tag: str | None = None
) -> tuple[open_clip.CLIP, dict[str, Any]]:
    """The model of a local weight file, in evaluation mode, and its architecture.

    Args:
        weights: .safetensors, or .pt, .pth, .bin or .ckpt with nothing but tensors.
        architecture_name: open_clip name or JSON file.
        tag: open_clip tag of the weights, for their activation and preprocessing; without it as the architecture says.

    Raises:
        ClipnError: unknown architecture or tag; missing, damaged or unfitting file.
    """
    config = pretrained_architecture(architecture_name, tag)
    model = build_to_fill(config)
    require_clip_text_tower(model)
    tensors = read_weights(weights).tensors
    if any(name.partition(".")[0].endswith("_no") for name in tensors):
        raise ClipnError(f'{weights}: has a "no" tower, so it is a CLIPN checkpoint; use `clipn checkpoint import`')
    fit(model, tensors, weights, f"it is not of architecture {architecture_name}; name its own")
    return model, config


def convert_backbone(weights: Path, architecture_name: str, output: Path, name: str, tag: str | None = None) -> None:
    """Write what `import_backbone` reads as a backbone file of that `name`; same errors."""
    model, config = import_backbone(weights, architecture_name, tag)
    save_backbone(output, model, config, name)


def save_backbone(
    path: Path, model: open_clip.CLIP, config: dict[str, Any], name: str, made_from: Mapping[str, str] | None = None
) -> None:
    """Write weights and architecture atomically as safetensors, with hashes of files that it was made from."""
    metadata = {"format": FORMAT, "name": name, "architecture": json.dumps(config), **(made_from or {})}
    write_safetensors(path, model.state_dict(), metadata)


def load_backbone(path: Path) -> tuple[open_clip.CLIP, dict[str, Any]]:
    """The model of a backbone file, in evaluation mode, and its architecture.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, metadata = read_safetensors(path, FORMAT)
    config = mapping_in(path, metadata, "architecture")
    model = build_to_fill(config, f"{path}: architecture")
    fit(model, tensors, path, "it does not fit its own header; delete it and make it again")
    return model, config
