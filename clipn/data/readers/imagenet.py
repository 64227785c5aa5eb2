"""ImageNet's validation set.

The devkit numbers its synsets in an order of its own; labels follow the sorted WordNet ids.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

import scipy.io

from clipn.data.archives import read_members
from clipn.data.location import Location
from clipn.data.readers.file_list import read_file_list
from clipn.data.readers.image import Image
from clipn.data.readers.selection import selected_files
from clipn.errors import ClipnError
from clipn.text.lines import read_lines

VAL_NAME = "ILSVRC2012_val_{:08d}.JPEG"
DEVKIT_META = "ILSVRC2012_devkit_t12/data/meta.mat"
DEVKIT_TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def imagenet_images(location: Location) -> Iterator[Image]:
    """Images by file name, whatever folder they lie in, labelled by the devkit; those that the lists keep."""
    archive, _ = _archives(location)
    labels = imagenet_labels(location)
    for path, content in selected_files([archive], location.record.select):
        if path.name not in labels:
            raise ClipnError(f"{archive}: {path} is not among the devkit's {len(labels)} images; check `archives`")
        label = labels[path.name]
        if label is not None:
            yield Image(path.name, label, content)


def imagenet_labels(location: Location) -> dict[str, int | None]:
    """Labels of all images of the devkit by file name; None: a list of the record leaves the image out.

    Raises:
        ClipnError: a list is missing, or names other images or classes than the devkit.
    """
    wnids, truth = _read_devkit(_archives(location)[1])
    classes = {wnid: label for label, wnid in enumerate(_kept_classes(location, wnids))}
    labels = {VAL_NAME.format(number): classes.get(wnids[synset]) for number, synset in enumerate(truth, start=1)}
    if location.file_list is None:
        return labels
    listed = {PurePosixPath(path).name for path in read_file_list(location.file_list)}
    if unknown := listed - labels.keys():
        raise ClipnError(f"{location.file_list}: {min(unknown)} is not among the devkit's images; fetch the list again")
    return {name: label if name in listed else None for name, label in labels.items()}


def imagenet_classes(location: Location) -> list[str]:
    """Sorted WordNet ids of the classes that are kept."""
    wnids, _ = _read_devkit(_archives(location)[1])
    return _kept_classes(location, wnids)


def class_numbers(location: Location, classes: int) -> list[int]:
    """Positions of the classes that are kept among so many, sorted.

    Raises:
        ClipnError: the class list is missing, holds what is no such position, or holds one twice.
    """
    if location.class_list is None:
        return list(range(classes))
    lines = read_lines(location.class_list)
    # Python takes no more than some thousand digits for a number.
    numbers = sorted({int(line) for line in lines if re.fullmatch("[0-9]{1,9}", line) and int(line) < classes})
    if not numbers or len(numbers) < len(lines):
        expected = f"write a different number from 0 to {classes - 1} on each line"
        raise ClipnError(f"{location.class_list}: {len(lines)} lines hold {len(numbers)} classes; {expected}")
    return numbers


def _kept_classes(location: Location, wnids: dict[int, str]) -> list[str]:
    ordered = sorted(wnids.values())
    return [ordered[number] for number in class_numbers(location, len(ordered))]


def _archives(location: Location) -> tuple[Path, Path]:
    if len(location.paths) != 2:
        raise ClipnError(f"{location.record.title}: `archives` must list the validation tar, then the devkit")
    archive, devkit = location.paths
    return archive, devkit


def _read_devkit(devkit: Path) -> tuple[dict[int, str], list[int]]:
    """WordNet id of every leaf synset by devkit id, and the devkit id of every validation image."""
    found = dict(read_members(devkit, {DEVKIT_META, DEVKIT_TRUTH}.__contains__))
    if len(found) < 2:
        raise ClipnError(f"{devkit}: lacks {DEVKIT_META} or {DEVKIT_TRUTH}; fetch the official devkit")
    # Inner nodes of the WordNet tree have ids, too, but no images.
    synsets = scipy.io.loadmat(BytesIO(found[DEVKIT_META]), squeeze_me=True)["synsets"]
    wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets if row["num_children"] == 0}
    truth = [int(line) for line in found[DEVKIT_TRUTH].split()]
    if not wnids.keys() >= set(truth):
        raise ClipnError(f"{devkit}: its ground truth names unknown synsets; fetch the official devkit")
    return wnids, truth
