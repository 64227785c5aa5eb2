"""Weight files of others: read without running anything that may be in them, and fitted to a model."""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from clipn.errors import ClipnError
from clipn.files import WEIGHT_SUFFIXES, named, other_content, require
from clipn.model.tensors import read_tensors, require_finite

NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask", "attn_mask_no")
"""What some files keep among the tensors: numbers of OpenAI's, and masks, which follow from the architecture."""
STATES = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs keep the tensors."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DistributedDataParallel, `torch.compile` and Lightning put before every name."""


LARGEST_LOGARITHM = 10.0
"""CLIP keeps the logarithm of its scale, at most that of 100."""


class WeightFile(NamedTuple):
    """Tensors by name, floats as float32 and without one of `PREFIXES` before every name, and what lay beside them."""

    tensors: dict[str, Tensor]
    notes: dict[str, Any]


def read_weights(path: Path) -> WeightFile:
    """Read a .safetensors file, or a .pt, .pth, .bin or .ckpt file that torch can read as weights only.

    Raises:
        ClipnError: missing or damaged file, or one with more than tensors in it.
    """
    if require(path).suffix not in WEIGHT_SUFFIXES:
        raise ClipnError(f"{path}: is no weight file by its name; it must end in {', '.join(WEIGHT_SUFFIXES)}")
    content = read_tensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    notes = {}
    inner = next((key for key in STATES if isinstance(content, dict) and isinstance(content.get(key), dict)), None)
    if inner:
        notes = {key: value for key, value in content.items() if isinstance(value, str | int | float)}
        content = content[inner]
    return WeightFile(_cleaned(content, path), notes)


def fit(
    model: nn.Module, tensors: Mapping[str, Tensor], path: Path, remedy: str, named: Callable[[str], str] = str
) -> None:
    """Load tensors into a model that has all of them, in the same shapes, and no others.

    Args:
        model: what to fill.
        tensors: by name.
        path: the file they came from.
        remedy: what to do when they do not fit.
        named: what the file calls a tensor of the model.

    Raises:
        ClipnError: they do not fit; the message names the first that differs.
    """
    # torch's own check lists every name that differs, hundreds of lines for a wrong architecture.
    state = model.state_dict()
    own_names = {named(name): name for name in state}
    expected = {named(name): tuple(tensor.shape) for name, tensor in state.items()}
    towers = {name.partition(".")[0] for name in expected}
    for name in sorted(tensors.keys() - expected.keys()):
        prefix, _, rest = name.partition(".")
        if rest in expected and prefix not in towers:
            raise ClipnError(f"{path}: {name} is {rest} behind a prefix; save all weights under their own names")
    if difference := _difference(expected, {name: tuple(tensor.shape) for name, tensor in tensors.items()}):
        raise ClipnError(f"{path}: {difference}; {remedy}")
    for name, tensor in tensors.items():
        if state[own_names[name]].is_floating_point() and not tensor.is_floating_point():
            raise ClipnError(f"{path}: {name} is of {tensor.dtype}, not of floats; give weights that are not quantised")
    model.load_state_dict({own_names[name]: tensor for name, tensor in tensors.items()})


def _difference(expected: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> str | None:
    # Shapes first: another width of one tensor says more than what else is missing because of it.
    for name, shape in expected.items():
        if name in given and given[name] != shape:
            return f"{name} has shape {given[name]}, expected {shape}"
    for word, names in (("lacks", expected.keys() - given.keys()), ("has unknown", given.keys() - expected.keys())):
        if names:
            first, *others = sorted(names)
            return f"{word} {first}" + (f" and {len(others)} more" if others else "")
    return None


def _unpickled(path: Path) -> Any:
    try:
        # torch warns of old and scripted files; those that it then refuses get one line of ours.
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file can make the unpickler raise anything
        reason = f"not a whole weight file ({type(error).__name__}); get it again"
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            reason = (
                f"holds more than tensors ({found[1]}), which may be a program, so none of it was run; "
                "get the file from its source again or convert it to safetensors"
            )
        elif content := other_content(path):
            reason = content
        elif "TorchScript" in str(error):
            reason = "is TorchScript, a program; fetch the safetensors of the same weights, see config/weights.yaml"
        raise ClipnError(f"{path}: {reason}") from error


def _cleaned(content: Any, path: Path) -> dict[str, Tensor]:
    is_mapping = isinstance(content, dict) and all(isinstance(key, str) for key in content)
    tensors = {k: v for k, v in content.items() if k.rpartition(".")[2] not in NOT_WEIGHTS} if is_mapping else {}
    if not tensors or not all(isinstance(key, str) and isinstance(tensors[key], Tensor) for key in tensors):
        keys = f", but {named(list(map(str, content)), 3)}" if isinstance(content, dict) and content else ""
        raise ClipnError(f"{path}: holds no weights by name{keys}; give a state dict, alone or under `state_dict`")
    while prefix := next((one for one in PREFIXES if all(name.startswith(one) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
            raise ClipnError(f"{path}: {name} is quantised, sparse, complex or without values; give plain floats")
    if "logit_scale" in tensors:
        # Some files hold it as a vector of one.
        tensors["logit_scale"] = tensors["logit_scale"].squeeze()
        if tensors["logit_scale"].numel() == 1 and tensors["logit_scale"].float().abs() > LARGEST_LOGARITHM:
            raise ClipnError(f"{path}: logit_scale is {tensors['logit_scale']:g}, no logarithm; take that of the scale")
    tensors = {
        name: tensor.detach().float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    require_finite(path, tensors, "its training failed, so take another checkpoint")
    return tensors
