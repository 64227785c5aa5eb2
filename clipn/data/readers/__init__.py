"""Images and class names of every dataset, straight from its archives or folders: one module per layout."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from clipn.data.location import Location, locate
from clipn.data.readers.cifar import cifar_classes, cifar_images
from clipn.data.readers.file_list import listed_images
from clipn.data.readers.folders import flat_images, folder_classes, folder_images
from clipn.data.readers.image import Image as Image
from clipn.data.readers.imagenet import class_numbers, imagenet_classes, imagenet_images
from clipn.data.readers.left_out import warn_of_left_out as warn_of_left_out
from clipn.data.readers.selection import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from clipn.data.readers.selection import selected_paths as selected_paths
from clipn.data.readers.webdataset import shard_classes, shard_images
from clipn.data.registry import load_registry
from clipn.errors import ClipnError


def read_images(location: Location) -> Iterator[Image]:
    """Yield the selected images of a dataset in the order of its archives; of a folder, sorted.

    `select` of the record applies to paths inside the archive; for CIFAR, to the five-digit numbers; for `list`, to
    the listed paths; for `webdataset`, to `Image.path`. With `shrink` of the record, images open to shrunk ones.

    Raises:
        ClipnError: an archive is missing, damaged, unsafe, or not laid out as the record's reader says.
    """
    images, shrink = _IMAGES[location.record.reader](location), location.record.shrink
    return images if shrink is None else (replace(image, shrink=shrink) for image in images)


def read_dataset(name: str, registry: Path, archives: Path, unpacked: Path | None = None) -> Iterator[Image]:
    """As `read_images`, of a dataset of a registry.

    Args:
        name: of the dataset.
        registry: YAML file, in the folder that a record's own folder and file list start from.
        archives: folder of the dataset's archives.
        unpacked: as for `locate`.

    Raises:
        ClipnError: as `read_images`, or the registry has no such dataset.
    """
    return read_images(locate(load_registry(registry).dataset(name), archives, registry.parent, unpacked))


def class_names(location: Location) -> list[str]:
    """Class names in label order: those of the record, else those of the archive; empty without classes.

    Raises:
        ClipnError: the record names more or fewer classes than the archives hold, or these are unreadable.
    """
    record = location.record
    # Flat files and lists of files hold no names; those of the record are of classes that the images may show.
    held = _CLASSES[record.reader](location) if record.reader in _CLASSES else None
    if record.classes is None:
        return held or []
    if record.classes == "imagenet":
        from clipn.text.prompts import imagenet_classnames  # reads open_clip's lists, which few datasets need

        every = imagenet_classnames()
        names = [every[number] for number in class_numbers(location, len(every))]
    else:
        names = list(record.classes)
    if held is not None and len(names) != len(held):
        raise ClipnError(
            f"{record.title}: `classes` has {len(names)} names but the archives hold {len(held)} classes; "
            "correct `classes`, `reader` or `select`"
        )
    return names


_IMAGES: dict[str, Callable[[Location], Iterator[Image]]] = {
    "cifar": cifar_images,
    "cifar_train": cifar_images,
    "imagenet_val": imagenet_images,
    "folders": folder_images,
    "flat": flat_images,
    "list": listed_images,
    "webdataset": shard_images,
}
_CLASSES: dict[str, Callable[[Location], list[str] | None]] = {
    "cifar": cifar_classes,
    "cifar_train": cifar_classes,
    "imagenet_val": imagenet_classes,
    "folders": folder_classes,
    "webdataset": shard_classes,
}
"""Names of the classes that an archive holds; None where it does not tell."""
