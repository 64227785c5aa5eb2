"""WebDataset shards: per key an image, and its label in a `.cls` file."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clipn.data.archives import member_names, read_members
from clipn.data.location import Location
from clipn.data.readers.image import LABEL_DIGITS, Image
from clipn.data.readers.selection import is_image, selected
from clipn.errors import ClipnError
from clipn.text.lines import read_lines

CLASS_NAMES = "classnames.txt"
LABEL = ".cls"
NUMBER = re.compile(rb"\s*(\d{1,%d})\s*" % LABEL_DIGITS)
"""Content of a label."""


def shard_images(location: Location) -> Iterator[Image]:
    """Images as `shard/key.ext`, shard by shard; label -1 for those without a `.cls` file.

    Raises:
        ClipnError: there is no shard, or a label is no number or has no image.
    """
    for shard, labels in selected_samples(location):
        numbers = {name: _number(shard, name, content) for name, content in read_members(shard, _is_label)}
        for name, content in read_members(shard, labels.__contains__):
            label = labels[name]
            yield Image(f"{shard.stem}/{name}", -1 if label is None else numbers[label], content)


def shard_classes(location: Location) -> list[str] | None:
    """Lines of `classnames.txt` in the folder of the shards; None without such a file."""
    found = [path / CLASS_NAMES for path in location.paths if (path / CLASS_NAMES).is_file()]
    return read_lines(found[0]) if found else None


def selected_samples(location: Location) -> list[tuple[Path, dict[str, str | None]]]:
    """Shards, each with the members that are images of the dataset and the member that holds the label of each.

    Raises:
        ClipnError: there is no shard, or a label has no image or is there twice.
    """
    shards: list[Path] = []
    for path in location.paths:
        shards += sorted(path.glob("[!.]*.tar")) if path.is_dir() else [path]
    if not shards:
        raise ClipnError(f"{location.paths[0]}: holds no *.tar; give the folder of the shards")
    samples = [(shard, _labels(shard)) for shard in shards]
    paths = (f"{shard.stem}/{name}" for shard, labels in samples for name in labels)
    chosen = frozenset(selected(paths, location.record.select))
    return [
        (shard, {name: label for name, label in labels.items() if f"{shard.stem}/{name}" in chosen})
        for shard, labels in samples
    ]


def _labels(shard: Path) -> dict[str, str | None]:
    """Members that are images of their own, each with the member that holds its label; None: it has none."""
    names = member_names(shard)
    images = {name: _stem(name) for name in names if is_image(name)}
    keys = frozenset(images.values())
    labels: dict[str, str] = {}
    for name in filter(_is_label, names):
        if _stem(name) not in keys or _stem(name) in labels:
            raise ClipnError(
                f"{shard}: sample {_stem(name)} needs an image and at most one label; write the shard again"
            )
        labels[_stem(name)] = name
    # WebDataset's keys end at the first dot: `0.seg.png` is a mask in the sample of `0.png`. But where no such sample
    # is there, or the name has a label of its own, the dot belongs to a name like `photo.2019.png`.
    return {
        name: labels.get(stem)
        for name, stem in images.items()
        if stem in labels or _key(name) == stem or _key(name) not in keys
    }


def _number(shard: Path, name: str, content: bytes) -> int:
    if found := NUMBER.fullmatch(content):
        return int(found[1])
    raise ClipnError(
        f"{shard}: {name} is no class number ({content[:20]!r}); write numbers, and names to {CLASS_NAMES}"
    )


def _is_label(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == LABEL


def _stem(name: str) -> str:
    """A name without its ending."""
    return name.removesuffix(PurePosixPath(name).suffix)


def _key(name: str) -> str:
    """A name up to the first dot of the file name."""
    return name.removesuffix("".join(PurePosixPath(name).name.partition(".")[1:]))
