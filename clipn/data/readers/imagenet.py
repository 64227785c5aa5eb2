"""ImageNet's validation set.

The devkit numbers its synsets in an order of its own; labels follow the sorted WordNet ids.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import scipy.io

from clipn.data.archives import read_members
from clipn.data.location import Location
from clipn.data.readers.image import Image
from clipn.data.readers.selection import selected_files
from clipn.errors import ClipnError

VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
DEVKIT_META = "ILSVRC2012_devkit_t12/data/meta.mat"
DEVKIT_TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def imagenet_images(location: Location) -> Iterator[Image]:
    """Images by file name, whatever folder they lie in, labelled by the devkit."""
    archive, devkit = _archives(location)
    wnids, truth = _read_devkit(devkit)
    labels = {wnid: label for label, wnid in enumerate(sorted(wnids.values()))}
    for path, content in selected_files([archive], location.record.select):
        number = VAL_NAME.fullmatch(path.name)
        if not number or not 1 <= int(number[1]) <= len(truth):
            raise ClipnError(f"{archive}: {path} is not among the devkit's {len(truth)} images; check `archives`")
        yield Image(path.name, labels[wnids[truth[int(number[1]) - 1]]], content)


def imagenet_classes(location: Location) -> list[str]:
    """Sorted WordNet ids."""
    wnids, _ = _read_devkit(_archives(location)[1])
    return sorted(wnids.values())


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
