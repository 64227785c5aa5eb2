"""Safetensors files of this project: tensors, and metadata under one key."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from clipn.errors import ClipnError
from clipn.files import atomic, other_content, require

# Torch takes seconds to import, and steps that read arrays do without it.
if TYPE_CHECKING:
    from torch import Tensor

HEADER = "clipn"
"""Key of a safetensors file under which all metadata lies as JSON."""


def write_safetensors(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata atomically; the same content gives the same bytes.

    Raises:
        ClipnError: a tensor holds NaN or infinity, or the disk is full.
    """
    from safetensors.torch import save_file

    whole = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    require_finite(path, whole, "it was not written; check the weights and images it is made of, and the learning rate")
    with atomic(path) as temporary:
        try:
            # It writes metadata in random order, so all of it lies under one key.
            save_file(whole, temporary, {HEADER: json.dumps(dict(metadata))})
        except SafetensorError as error:
            raise ClipnError(f"{path}: could not be written ({error}); free some space on its disk") from error


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.floating]], metadata: Mapping[str, str]) -> None:
    """As `write_safetensors`, for NumPy and without torch.

    Raises:
        ClipnError: an array holds NaN or infinity.
    """
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    require_finite(path, whole, "it was not written; check the features it is made of")
    with atomic(path) as temporary:
        temporary.write_bytes(save(whole, {HEADER: json.dumps(dict(metadata))}))


def read_safetensors(path: Path, file_format: str, *names: str) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """All tensors and the metadata of a safetensors file of one of this project's formats.

    Args:
        path: the file.
        file_format: what it must be.
        names: of tensors that it must hold.

    Raises:
        ClipnError: missing, damaged or foreign file, or one that holds NaN or infinity.
    """
    return _read(path, "pt", file_format, names)


def read_arrays(path: Path, file_format: str, *names: str) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """As `read_safetensors`, for NumPy and without torch.

    Raises:
        ClipnError: missing, damaged or foreign file, or one that holds NaN or infinity.
    """
    return _read(path, "np", file_format, names)


def read_tensors(path: Path) -> dict[str, "Tensor"]:
    """All tensors of any safetensors file.

    Raises:
        ClipnError: missing or damaged file.
    """
    with _opened(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone of a safetensors file of this project, `format` among them; empty of another one.

    Raises:
        ClipnError: missing or damaged file.
    """
    with _opened(path, "np") as file:
        return mapping_in(path, {HEADER: "{}", **(file.metadata() or {})}, HEADER)


def mapping_in(path: Path, metadata: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping that a file holds as JSON under a key of its metadata.

    Raises:
        ClipnError: there is no such key, or no JSON, or no mapping in it; the message names file and key.
    """
    try:
        value = json.loads(metadata[key])
    # RecursionError: brackets nested a thousand deep.
    except (KeyError, TypeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ClipnError(f"{path}: its header holds no mapping {key!r} as JSON; get the file again, or make it again")
    return value


def require_finite(path: Path, tensors: Mapping[str, Any], remedy: str) -> None:
    """Refuse tensors or arrays, by name, of the file `path` that hold NaN or infinity; `remedy` ends the message."""
    for name, tensor in tensors.items():
        # Both carry NaN along, and take no memory, which a mask of every entry would.
        if 0 not in tensor.shape and not (math.isfinite(tensor.min()) and math.isfinite(tensor.max())):
            raise ClipnError(f"{path}: {name} holds NaN or infinity; {remedy}")


def _read(
    path: Path, framework: Literal["np", "pt"], file_format: str, names: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    # What it is comes first: arrays of a foreign file may be of types that NumPy has not.
    metadata = read_metadata(path)
    if metadata.get("format") != file_format:
        raise ClipnError(f"{path}: holds {metadata.get('format', 'something else')!r}, expected {file_format!r}")
    with _opened(path, framework) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    for name in names:
        if name not in tensors:
            raise ClipnError(f"{path}: lacks {name}; delete it and make it again")
    require_finite(path, tensors, "delete it and make it again")
    return tensors, metadata


@contextmanager
def _opened(path: Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    try:
        with safe_open(require(path), framework=framework) as file:
            yield file
    # TypeError: NumPy has no bfloat16.
    except (SafetensorError, TypeError) as error:
        damaged = f"not a whole safetensors file ({error}); delete it and make it again"
        raise ClipnError(f"{path}: {other_content(path) or damaged}") from error
