"""Safetensors files of this project: tensors, and metadata under one key."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from clipn.errors import ClipnError
from clipn.files import LFS_REMEDY, atomic, is_lfs_pointer, require

# Torch takes seconds to import, and steps that read arrays do without it.
if TYPE_CHECKING:
    from torch import Tensor

HEADER = "clipn"
"""Key of a safetensors file under which all metadata lies as JSON."""


def write_safetensors(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata atomically; the same content gives the same bytes."""
    from safetensors.torch import save_file

    whole = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    with atomic(path) as temporary:
        try:
            # It writes metadata in random order, so all of it lies under one key.
            save_file(whole, temporary, {HEADER: json.dumps(dict(metadata))})
        except SafetensorError as error:
            raise ClipnError(f"{path}: could not be written ({error}); free some space on its disk") from error


def read_safetensors(path: Path, file_format: str) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """All tensors and the metadata of a safetensors file of one of this project's formats.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, header = read_tensors(path)
    return tensors, _metadata(path, header, file_format)


def read_arrays(path: Path, file_format: str) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """As `read_safetensors`, for NumPy and without torch.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    arrays, header = _read(path, "np")
    return arrays, _metadata(path, header, file_format)


def read_tensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """All tensors and the metadata of a safetensors file.

    Raises:
        ClipnError: missing or damaged file.
    """
    return _read(path, "pt")


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone of a safetensors file of this project, `format` among them; empty of another one.

    Raises:
        ClipnError: missing or damaged file.
    """
    with _opened(path, "np") as file:
        return dict(json.loads((file.metadata() or {}).get(HEADER, "{}")))


def _read(path: Path, framework: Literal["np", "pt"]) -> tuple[dict[str, Any], dict[str, str]]:
    with _opened(path, framework) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


@contextmanager
def _opened(path: Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    try:
        with safe_open(require(path), framework=framework) as file:
            yield file
    except SafetensorError as error:
        damaged = f"not a whole safetensors file ({error}); delete it and make it again"
        raise ClipnError(f"{path}: {LFS_REMEDY if is_lfs_pointer(path) else damaged}") from error


def _metadata(path: Path, header: Mapping[str, str], file_format: str) -> dict[str, str]:
    metadata: dict[str, str] = json.loads(header.get(HEADER, "{}"))
    if metadata.get("format") != file_format:
        raise ClipnError(f"{path}: holds {metadata.get('format', 'something else')!r}, expected {file_format!r}")
    return metadata
