"""CIFAR: pickles, of which nothing but containers and arrays is admitted."""

import pickle
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from clipn.data.archives import read_members
from clipn.data.location import Location
from clipn.data.readers.image import Image
from clipn.data.readers.selection import selected
from clipn.errors import ClipnError

CIFAR_SIDE = 32
CIFAR_BATCHES = ("test_batch", "test")
CIFAR_METAS = ("batches.meta", "meta")


def cifar_images(location: Location) -> Iterator[Image]:
    """Test images by five-digit row."""
    archive = location.paths[0]
    batch = _read_cifar(archive, CIFAR_BATCHES)
    # CIFAR-10 says `labels`, CIFAR-100 `fine_labels`.
    pixels, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels"))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3 * CIFAR_SIDE**2,):
        raise ClipnError(f"{archive}: `data` is not uint8 of shape (n, 3072); fetch the official archive")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise ClipnError(f"{archive}: `labels` and `data` differ in length; fetch the official archive")
    for path in selected((f"{row:05d}" for row in range(len(pixels))), location.record.select):
        row = int(path)
        yield Image(path, int(labels[row]), pixels[row].tobytes(), (CIFAR_SIDE, CIFAR_SIDE))


def cifar_classes(location: Location) -> list[str]:
    """Class names of the `meta` file."""
    archive = location.paths[0]
    meta = _read_cifar(archive, CIFAR_METAS)
    names = meta.get("label_names", meta.get("fine_label_names"))
    if not isinstance(names, list):
        raise ClipnError(f"{archive}: has neither `label_names` nor `fine_label_names`; fetch the official archive")
    return [_text(name) for name in names]


def _read_cifar(archive: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The one pickled dictionary of the archive that has one of these file names; its keys as text."""
    found = [content for _, content in read_members(archive, lambda path: PurePosixPath(path).name in names)]
    if len(found) != 1:
        raise ClipnError(f"{archive}: must hold one of {', '.join(names)}; fetch the official archive")
    try:
        # The official files are of Python 2, whose texts are bytes.
        entries = _CifarUnpickler(BytesIO(found[0]), encoding="bytes").load()
        return {_text(key): value for key, value in entries.items()}
    except (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ClipnError(f"{archive}: {' or '.join(names)} is not a CIFAR pickle ({error}); delete it") from error


def _text(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _latin1(text: str, encoding: str) -> bytes:
    # Python 3 writes bytes in protocol 2 as a call of this codec; no other is needed.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding} is not admitted")
    return text.encode("latin1")


ADMITTED: dict[str, Any] = {
    "_codecs.encode": _latin1,
    "numpy._core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "builtins.bytes": bytes,
    "builtins.list": list,
    "builtins.dict": dict,
    "builtins.tuple": tuple,
    "builtins.set": set,
}


class _CifarUnpickler(pickle.Unpickler):
    """Rebuilds containers and NumPy arrays; refuses every other global."""

    def find_class(self, module: str, name: str) -> Any:
        # Python 2 and NumPy 1 had other names for the same things.
        renamed = {"__builtin__": "builtins", "numpy.core.multiarray": "numpy._core.multiarray"}
        full = f"{renamed.get(module, module)}.{name}"
        if full not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return ADMITTED[full]
