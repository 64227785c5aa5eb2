"""CIFAR: pickles, of which nothing but containers and descriptions of arrays is admitted."""

import pickle
import pickletools
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipn.data.archives import read_members
from clipn.data.location import Location
from clipn.data.readers.image import LABEL_DIGITS, Image
from clipn.data.readers.selection import selected
from clipn.errors import ClipnError

CIFAR_SIDE = 32
CIFAR_BATCHES: dict[str, list[tuple[str, ...]]] = {
    "cifar": [("test_batch",), ("test",)],
    "cifar_train": [tuple(f"data_batch_{number}" for number in range(1, 6)), ("train",)],
}
"""File names of the batches of CIFAR-10 and of CIFAR-100, by reader."""
CIFAR_METAS = [("batches.meta",), ("meta",)]
OPCODES = 500_000
"""Most opcodes of a pickle; test sets have at most about 100,000, CIFAR-100's training set twice as many."""
TUPLES = 20_000
"""Most tuples of a pickle; a repacked test set has one per file name."""
DAMAGE = (
    pickle.UnpicklingError, EOFError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, ImportError,
    MemoryError, RecursionError,
)  # fmt: skip
"""What pickle raises for bytes that are no pickle."""


def cifar_images(location: Location) -> Iterator[Image]:
    """Images of a split by five-digit row."""
    pixels, labels = _read_split(location)
    for path in selected(_rows(labels), location.record.select):
        row = int(path)
        yield Image(path, labels[row], pixels[row].tobytes(), (CIFAR_SIDE, CIFAR_SIDE))


def unselected_rows(location: Location) -> list[str]:
    """Names of the images that the selection leaves out."""
    rows = _rows(_read_split(location)[1])
    return sorted({*rows} - {*selected(rows, location.record.select)})


def cifar_classes(location: Location) -> list[str]:
    """Class names of the `meta` file."""
    archive = location.paths[0]
    (meta,) = _read_cifar(archive, CIFAR_METAS)
    names = meta.get("label_names", meta.get("fine_label_names"))
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise ClipnError(f"{archive}: has neither `label_names` nor `fine_label_names`; fetch the official archive")
    return [_text(name) for name in names]


def _read_split(location: Location) -> tuple[NDArray[np.uint8], list[int]]:
    """Pixels (n, 3072) and n labels."""
    archive = location.paths[0]
    batches = [_images(archive, batch) for batch in _read_cifar(archive, CIFAR_BATCHES[location.record.reader])]
    return np.concatenate([pixels for pixels, _ in batches]), [label for _, labels in batches for label in labels]


def _images(archive: Path, batch: Mapping[str, Any]) -> tuple[NDArray[np.uint8], list[int]]:
    """Pixels (n, 3072) and n labels of a batch."""
    # CIFAR-10 says `labels`, CIFAR-100 `fine_labels`.
    stored, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels"))
    pixels = stored.pixels() if isinstance(stored, _StoredArray) else None
    if pixels is None:
        raise ClipnError(f"{archive}: `data` is not uint8 of shape (n, 3072); fetch the official archive")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise ClipnError(f"{archive}: `labels` and `data` differ in length; fetch the official archive")
    if not all(type(label) is int and 0 <= label < 10**LABEL_DIGITS for label in labels):
        raise ClipnError(f"{archive}: `labels` are not all class numbers; fetch the official archive")
    return pixels, labels


def _rows(labels: list[int]) -> list[str]:
    return [f"{row:05d}" for row in range(len(labels))]


def _read_cifar(archive: Path, choices: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    """The pickled dictionaries of the archive whose file names are those of one choice; their keys as text."""
    names = {name for choice in choices for name in choice}
    members = read_members(archive, lambda path: PurePosixPath(path).name in names)
    found = sorted((PurePosixPath(path).name, content) for path, content in members)
    if tuple(name for name, _ in found) not in choices:
        expected = " or ".join(", ".join(choice) for choice in choices)
        raise ClipnError(f"{archive}: must hold {expected}; fetch the official archive")
    return [_unpickled(f"{archive}: {name}", content) for name, content in found]


def _unpickled(name: str, content: bytes) -> dict[str, Any]:
    try:
        _require_small(content)
        # The official files are of Python 2, whose texts are bytes.
        entries = _CifarUnpickler(BytesIO(content), encoding="bytes").load()
        return {_text(key): value for key, value in entries.items()}
    except DAMAGE as error:
        reason = " ".join(str(error).split())
        raise ClipnError(f"{name} is not a CIFAR pickle ({reason:.200}); delete the archive") from error


def _require_small(content: bytes) -> None:
    """Refuse a pickle whose few bytes would take much time, memory or stack, before it is loaded."""
    tuples = 0
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        # The memo is a list up to the largest place that is named.
        place = int(argument or 0) if "PUT" in opcode.name else 0
        if max(number, place) > OPCODES:
            raise pickle.UnpicklingError(f"more than {OPCODES:,} opcodes or places")
        # They may lie in one another, and their hash goes through them by recursion in C, without a limit.
        tuples += "TUPLE" in opcode.name
        if tuples > TUPLES:
            raise pickle.UnpicklingError(f"more than {TUPLES:,} tuples")


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


class _StoredArray:
    """An array as its pickle describes it; NumPy would believe what the pickle says of sizes."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def pixels(self) -> NDArray[np.uint8] | None:
        """Of shape (n, 3072); None of an array of another kind."""
        width = 3 * CIFAR_SIDE**2
        match self.state:
            case (_, (rows, columns), _StoredType(name="u1"), is_fortran, bytes(content)):
                if (rows, columns) == (len(content) // width, width) and len(content) % width == 0:
                    return np.frombuffer(content, np.uint8).reshape(-1, width, order="F" if is_fortran else "C")
        return None


class _StoredType:
    """Type of an array's elements as a pickle names it."""

    def __init__(self, name: bytes | str, *_: object) -> None:
        self.name = _text(name)

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment mean nothing for bytes."""


def _latin1(text: str, encoding: str) -> bytes:
    # Python 3 writes bytes in protocol 2 as a call of this codec; no other is needed.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding} is not admitted")
    return text.encode("latin1")


ADMITTED: dict[str, Any] = {
    "_codecs.encode": _latin1,
    "numpy._core.multiarray._reconstruct": lambda *_: _StoredArray(),
    "numpy.ndarray": _StoredArray,
    "numpy.dtype": _StoredType,
    # Python 3 writes empty bytes in protocol 2 as a call; of a number, the true one would give as many.
    "builtins.bytes": lambda: b"",
}


class _CifarUnpickler(pickle.Unpickler):
    """Rebuilds containers and descriptions of arrays; refuses every other global."""

    def find_class(self, module: str, name: str) -> Any:
        # Python 2 and NumPy 1 had other names for the same things.
        renamed = {"__builtin__": "builtins", "numpy.core.multiarray": "numpy._core.multiarray"}
        full = f"{renamed.get(module, module)}.{name}"
        if full not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return ADMITTED[full]
