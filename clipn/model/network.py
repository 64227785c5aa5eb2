"""Networks that others trained on the classes of an ID dataset: an architecture of torchvision or timm, and weights."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import timm
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import nn
from torchvision import models

from clipn.errors import ClipnError
from clipn.model.backbone import Preprocess
from clipn.model.weights import fit, read_weights

Build = Callable[..., nn.Module]


class Network(NamedTuple):
    """A network in evaluation mode and frozen.

    Attributes:
        module: gives logits (n, outputs) of images (n, 3, h, w).
        transform: brings a picture to (3, h, w) as the network wants it.
        outputs: number of its classes.
    """

    module: nn.Module
    transform: Preprocess
    outputs: int


def load_network(model: str, weights: Path) -> Network:
    """A network with the weights of a local file, and as many outputs as these have; nothing is ever downloaded.

    Args:
        model: `torchvision/NAME` or `timm/NAME`, with `.TAG` of the published weights whose preprocessing it wants.
        weights: .safetensors, or .pt, .pth, .bin or .ckpt with nothing but tensors.

    Raises:
        ClipnError: unknown model or tag; missing, damaged or unfitting file.
    """
    library, _, name = model.partition("/")
    if library not in LIBRARIES:
        raise ClipnError(f"model {model}: is of no library that is known; write torchvision/NAME or timm/NAME")
    build, preprocess_of = LIBRARIES[library](name)
    module, tensors = build(), read_weights(weights).tensors
    # The classifier comes last in all of them.
    last, own = [*module.state_dict().items()][-1]
    if last in tensors and tensors[last].ndim and len(tensors[last]) not in (0, len(own)):
        module = build(num_classes=len(tensors[last]))
    # Early files of torchvision do not count the batches that a normalisation has seen, which is no weight.
    counts = {name: count for name, count in module.state_dict().items() if name.endswith(".num_batches_tracked")}
    fit(module, counts | tensors, weights, f"it is no {model}; name its own model")
    return Network(module.eval().requires_grad_(False), preprocess_of(module), len(tensors[last]))


def _torchvision(name: str) -> tuple[Build, Callable[[nn.Module], Preprocess]]:
    architecture, _, tag = name.partition(".")
    if architecture not in models.list_models(module=models):
        known = "torchvision.models.list_models(module=torchvision.models)"
        raise ClipnError(f"model torchvision/{name}: torchvision has no such classifier; name one of {known}")
    published = models.get_model_weights(architecture)
    tags = [weights.name for weights in published]
    if tag not in (tags if len(tags) > 1 else ["", *tags]):
        known = ", ".join(f"torchvision/{architecture}.{name}" for name in tags)
        raise ClipnError(f"model torchvision/{name}: each of its weights wants images of its own; name one of {known}")
    transform: Preprocess = published[tag or tags[0]].transforms()
    return partial(models.get_model, architecture, weights=None), lambda _: transform


def _timm(name: str) -> tuple[Build, Callable[[nn.Module], Preprocess]]:
    try:
        timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise ClipnError(f"model timm/{name}: {error}; name one of timm.list_models(pretrained=True)") from error

    def preprocess_of(module: nn.Module) -> Preprocess:
        config = resolve_model_data_config(module)
        transform: Preprocess = create_transform(**config, is_training=False)
        return transform

    return partial(timm.create_model, name, pretrained=False), preprocess_of


LIBRARIES: dict[str, Callable[[str], tuple[Build, Callable[[nn.Module], Preprocess]]]] = {
    "torchvision": _torchvision,
    "timm": _timm,
}
"""By name: how a model of the library is built, with `num_classes` if need be, and its preprocessing."""
