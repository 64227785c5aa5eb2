"""What lies among the images of a dataset and is not read: every file that was given is counted or named."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from clipn.data.archives import entry_names
from clipn.data.archives.members import is_hidden
from clipn.data.location import Location
from clipn.data.readers.cifar import CIFAR_BATCHES, CIFAR_METAS, unselected_rows
from clipn.data.readers.file_list import listed_members, read_file_list
from clipn.data.readers.imagenet import imagenet_labels
from clipn.data.readers.selection import image_filter, is_image
from clipn.data.readers.webdataset import CLASS_NAMES, selected_samples
from clipn.data.registry import Selection
from clipn.files import named
from clipn.progress import warn

NAMED = 3
"""Names of each reason that a line holds."""
UNSELECTED = "not in `select`"
UNLISTED = f"not on the list, or {UNSELECTED}"


def left_out(location: Location) -> dict[str, list[str]]:
    """Names of all files that `read_images` does not read, and of folders without any file, by the reason.

    Of a hidden folder outside archives, its own name stands for all in it.

    Raises:
        ClipnError: as `read_images`, as far as names tell.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for given in _given(location):
        # What lies in a folder comes right after it.
        for name, following in pairwise([*dict.fromkeys(given.names), ""]):
            if name not in given.read and not (name.endswith("/") and following.startswith(name)):
                found[given.reason or _reason(name, given.images)].append(given.before + name)
    # The default selection keeps all, so the pickle need not be read again.
    if location.record.reader in CIFAR_BATCHES and location.record.select != Selection():
        found[UNSELECTED] += unselected_rows(location)
    return found


def warn_of_left_out(name: str, location: Location) -> None:
    """A line about a dataset for each reason of `left_out`."""
    for reason, names in left_out(location).items():
        warn(f"{name}: left out, {reason}: {len(names):,} ({named(names, NAMED)})")


class _Given(NamedTuple):
    """What an archive or folder holds, and what of it is read.

    Attributes:
        names: of everything, sorted.
        read: names of what is read.
        images: why other images are not read.
        reason: why nothing else is read; empty: it depends on the name.
        before: what comes before the names.
    """

    names: Iterable[str]
    read: Collection[str]
    images: str = UNSELECTED
    reason: str = ""
    before: str = ""


def _given(location: Location) -> Iterator[_Given]:
    paths, select = location.paths, location.record.select
    match location.record.reader:
        case "list":
            assert location.file_list is not None
            for path, listed in listed_members(location, read_file_list(location.file_list)):
                yield _Given(entry_names(path), listed, UNLISTED)
        case "cifar" | "cifar_train" as split:
            names, known = entry_names(paths[0]), {*chain(*CIFAR_BATCHES[split], *CIFAR_METAS)}
            read = {name for name in names if PurePosixPath(name).name in known}
            yield _Given(names, read, reason="no test images" if split == "cifar" else "no training images")
        case "webdataset":
            samples = selected_samples(location)
            for folder in filter(Path.is_dir, paths):
                shards = {str(shard.relative_to(folder)) for shard, _ in samples if shard.is_relative_to(folder)}
                yield _Given(entry_names(folder), {CLASS_NAMES, *shards}, reason="beside the shards")
            for shard, labels in samples:
                read = {*labels, *filter(None, labels.values())}
                reason = f"further images of a sample, or {UNSELECTED}"
                yield _Given(entry_names(shard), read, reason, before=f"{shard.stem}/")
        case reader:
            # Of ImageNet, the second archive is the devkit, which holds no image.
            held = {path: entry_names(path) for path in (paths[:1] if reader == "imagenet_val" else paths)}
            files = {
                path: [name for name in names if not (is_hidden(name) or name.endswith("/"))]
                for path, names in held.items()
            }
            images = sorted(name for path in held for name in filter(image_filter(path, select), files[path]))
            read, reason = {*images[select.start : select.stop]}, UNSELECTED
            if reader == "imagenet_val" and location.record.lists:
                kept, reason = imagenet_labels(location), UNLISTED
                read = {name for name in read if kept.get(PurePosixPath(name).name) is not None}
            yield from (_Given(names, read, reason) for names in held.values())


def _reason(name: str, images: str) -> str:
    if is_hidden(name):
        return "hidden"
    if name.endswith("/"):
        return "empty folders"
    return images if is_image(name) else "of no image format"
