"""WebDataset shards: per key an image, and its label in a `.cls` file."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from clipn.data.archives import member_names, read_members
from clipn.data.location import Location
from clipn.data.readers.image import Image
from clipn.data.readers.selection import IMAGE_SUFFIXES, selected
from clipn.errors import ClipnError
from clipn.text.lines import read_lines

CLASS_NAMES = "classnames.txt"
LABEL = ".cls"


def shard_images(location: Location) -> Iterator[Image]:
    """Images as `shard/key.ext`, shard by shard; label -1 for those without a `.cls` file.

    Raises:
        ClipnError: there is no shard, or a label is no number or has no image.
    """
    shards: list[Path] = []
    for path in location.paths:
        shards += sorted(path.glob("[!.]*.tar")) if path.is_dir() else [path]
    if not shards:
        raise ClipnError(f"{location.paths[0]}: holds no *.tar; give the folder of the shards")
    paths = (f"{shard.stem}/{name}" for shard in shards for name in member_names(shard) if _is_image(name))
    chosen = frozenset(selected(paths, location.record.select))
    for shard in shards:
        for image in _images(shard):
            if image.path in chosen:
                yield image


def shard_classes(location: Location) -> list[str] | None:
    """Lines of `classnames.txt` in the folder of the shards; None without such a file."""
    found = [path / CLASS_NAMES for path in location.paths if (path / CLASS_NAMES).is_file()]
    return read_lines(found[0]) if found else None


def _images(shard: Path) -> Iterator[Image]:
    members = read_members(shard, lambda name: _is_image(name) or _extension(name) == LABEL)
    # WebDataset keeps the files of a sample next to each other, so one pass with groupby is enough.
    for key, group in groupby(members, lambda member: member[0].removesuffix(_extension(member[0]))):
        parts = list(group)
        labels = [(name, content) for name, content in parts if not _is_image(name)]
        for name, content in labels:
            if not content.strip().isdigit():
                raise ClipnError(f"{shard}: {name} is no class number ({content[:20]!r}); write the shard again")
        if len(labels) == len(parts) or len(labels) > 1:
            raise ClipnError(f"{shard}: sample {key} needs an image and at most one label; write the shard again")
        label = int(labels[0][1]) if labels else -1
        for name, content in parts:
            if _is_image(name):
                yield Image(f"{shard.stem}/{name}", label, content)


def _is_image(name: str) -> bool:
    return _extension(name).lower() in IMAGE_SUFFIXES


def _extension(name: str) -> str:
    """The first dot of the file name, and all after it: WebDataset's keys end there."""
    return "".join(PurePosixPath(name).name.partition(".")[1:])
