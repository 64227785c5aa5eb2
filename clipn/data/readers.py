"""Images and class names of every benchmark dataset, straight from its official archives."""

import fnmatch
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL.Image
import scipy.io

from clipn.data.archives import member_names, read_members
from clipn.data.registry import Dataset, Selection
from clipn.errors import ClipnError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"}
CIFAR_SIDE = 32
CIFAR_BATCHES = ("test_batch", "test")
CIFAR_METAS = ("batches.meta", "meta")
VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
DEVKIT_META = "ILSVRC2012_devkit_t12/data/meta.mat"
DEVKIT_TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True)
class Image:
    """One image of a dataset as its archive stores it.

    Attributes:
        path: name relative to the image root: file name, `class/name`, or five digits for CIFAR.
        label: index of the class, -1 when there is none.
        content: the encoded file, or raw uint8 pixels in the order (channel, row, column).
        raw_size: (width, height) of raw pixels, None for an encoded file.
    """

    path: str
    label: int
    content: bytes
    raw_size: tuple[int, int] | None = None

    def open(self) -> PIL.Image.Image:
        """Decode to RGB.

        Raises:
            ClipnError: the file is truncated or not an image.
        """
        if self.raw_size is not None:
            width, height = self.raw_size
            pixels = np.frombuffer(self.content, np.uint8).reshape(3, height, width)
            return PIL.Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        try:
            with PIL.Image.open(BytesIO(self.content)) as picture:
                return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise ClipnError(
                f"{self.path}: truncated or not an image; fetch its archive again, or exclude it with `select`"
            ) from error


def read_images(record: Dataset, folder: Path) -> Iterator[Image]:
    """Yield the selected images of a dataset from its archives in `folder`, in archive order.

    `record.select` applies to paths inside the archive; for CIFAR, to the five-digit numbers.

    Raises:
        ClipnError: an archive is missing, damaged, unsafe, or not laid out as `record.reader` says.
    """
    return _IMAGES[record.reader](record, folder)


def class_names(record: Dataset, folder: Path) -> list[str]:
    """Class names in label order: those of the record, else those of the archive; empty without classes.

    Raises:
        ClipnError: the record names more or fewer classes than the archives hold, or these are unreadable.
    """
    held = _CLASSES[record.reader](record, folder)
    if record.classes is None:
        return held
    names = _imagenet_names() if record.classes == "imagenet" else list(record.classes)
    if len(names) != len(held):
        raise ClipnError(
            f"{record.title}: `classes` has {len(names)} names but the archives hold {len(held)} classes; "
            "correct `classes`, `reader` or `select`"
        )
    return names


def _imagenet_names() -> list[str]:
    from clipn.prompts import imagenet_classnames  # imports open_clip, which few datasets need

    return list(imagenet_classnames())


def _archives(record: Dataset, folder: Path) -> list[Path]:
    return [folder / archive.file for archive in record.archives]


def _selected(paths: Iterable[str], select: Selection) -> list[str]:
    """Sorted paths that a selection keeps."""
    include, exclude = _any_of(select.include), _any_of(select.exclude)
    kept = (path for path in paths if include.match(path) and not exclude.match(path))
    return sorted(kept)[select.start : select.stop]


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    """One expression for many shell patterns; it matches nothing when there are none."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")


def selected_paths(archives: list[Path], select: Selection) -> list[str]:
    """Sorted paths of the image files in `archives` that a selection keeps."""
    names = (name for archive in archives for name in member_names(archive))
    return _selected((name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES), select)


# Files in folders, or in none


def _flat_images(record: Dataset, folder: Path) -> Iterator[Image]:
    archives = _archives(record, folder)
    chosen = frozenset(selected_paths(archives, record.select))
    for archive in archives:
        for name, content in read_members(archive, chosen.__contains__):
            yield Image(PurePosixPath(name).name, -1, content)


def _no_classes(record: Dataset, folder: Path) -> list[str]:
    return []


def _folder_images(record: Dataset, folder: Path) -> Iterator[Image]:
    archives = _archives(record, folder)
    chosen = frozenset(selected_paths(archives, record.select))
    labels = {name: label for label, name in enumerate(_parents(chosen))}
    for archive in archives:
        for name, content in read_members(archive, chosen.__contains__):
            path = PurePosixPath(name)
            yield Image(f"{path.parent.name}/{path.name}", labels[path.parent.name], content)


def _folder_classes(record: Dataset, folder: Path) -> list[str]:
    return _parents(selected_paths(_archives(record, folder), record.select))


def _parents(paths: Iterable[str]) -> list[str]:
    return sorted({PurePosixPath(path).parent.name for path in paths})


# ImageNet: the devkit numbers its synsets in an order of its own; labels follow the sorted WordNet ids


def _imagenet_images(record: Dataset, folder: Path) -> Iterator[Image]:
    archive, devkit = _imagenet_archives(record, folder)
    wnids, truth = _read_devkit(devkit)
    labels = {wnid: label for label, wnid in enumerate(sorted(wnids.values()))}
    chosen = frozenset(selected_paths([archive], record.select))
    for name, content in read_members(archive, chosen.__contains__):
        path = PurePosixPath(name).name
        number = VAL_NAME.fullmatch(path)
        if not number or not 1 <= int(number[1]) <= len(truth):
            raise ClipnError(f"{archive}: {name} is not among the devkit's {len(truth)} images; check `archives`")
        yield Image(path, labels[wnids[truth[int(number[1]) - 1]]], content)


def _imagenet_classes(record: Dataset, folder: Path) -> list[str]:
    wnids, _ = _read_devkit(_imagenet_archives(record, folder)[1])
    return sorted(wnids.values())


def _imagenet_archives(record: Dataset, folder: Path) -> tuple[Path, Path]:
    if len(record.archives) != 2:
        raise ClipnError(f"{record.title}: `archives` must list the validation tar, then the devkit")
    archive, devkit = _archives(record, folder)
    return archive, devkit


def _read_devkit(devkit: Path) -> tuple[dict[int, str], list[int]]:
    """WordNet id of every leaf synset by devkit id, and the devkit id of every validation image."""
    found = dict(read_members(devkit, {DEVKIT_META, DEVKIT_TRUTH}.__contains__))
    if len(found) < 2:
        raise ClipnError(f"{devkit}: lacks {DEVKIT_META} or {DEVKIT_TRUTH}; fetch the official devkit")
    synsets = scipy.io.loadmat(BytesIO(found[DEVKIT_META]), squeeze_me=True)["synsets"]
    wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets if row["num_children"] == 0}
    truth = [int(line) for line in found[DEVKIT_TRUTH].split()]
    if not wnids.keys() >= set(truth):
        raise ClipnError(f"{devkit}: its ground truth names unknown synsets; fetch the official devkit")
    return wnids, truth


# CIFAR: pickles, of which nothing but containers and arrays is admitted


def _cifar_images(record: Dataset, folder: Path) -> Iterator[Image]:
    archive = _archives(record, folder)[0]
    batch = _read_cifar(archive, CIFAR_BATCHES)
    pixels, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels"))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3 * CIFAR_SIDE**2,):
        raise ClipnError(f"{archive}: `data` is not uint8 of shape (n, 3072); fetch the official archive")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise ClipnError(f"{archive}: `labels` and `data` differ in length; fetch the official archive")
    for path in _selected((f"{row:05d}" for row in range(len(pixels))), record.select):
        row = int(path)
        yield Image(path, int(labels[row]), pixels[row].tobytes(), (CIFAR_SIDE, CIFAR_SIDE))


def _cifar_classes(record: Dataset, folder: Path) -> list[str]:
    archive = _archives(record, folder)[0]
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
        entries = _CifarUnpickler(BytesIO(found[0]), encoding="bytes").load()
        return {_text(key): value for key, value in entries.items()}
    except (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ClipnError(f"{archive}: {' or '.join(names)} is not a CIFAR pickle ({error}); delete it") from error


def _text(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _latin1(text: str, encoding: str) -> bytes:
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
        renamed = {"__builtin__": "builtins", "numpy.core.multiarray": "numpy._core.multiarray"}
        full = f"{renamed.get(module, module)}.{name}"
        if full not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return ADMITTED[full]


_IMAGES: dict[str, Callable[[Dataset, Path], Iterator[Image]]] = {
    "cifar": _cifar_images,
    "imagenet_val": _imagenet_images,
    "folders": _folder_images,
    "flat": _flat_images,
}
_CLASSES: dict[str, Callable[[Dataset, Path], list[str]]] = {
    "cifar": _cifar_classes,
    "imagenet_val": _imagenet_classes,
    "folders": _folder_classes,
    "flat": _no_classes,
}
