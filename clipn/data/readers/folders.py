"""Files in one folder per class, or in no folders that mean anything."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from clipn.data.archives import read_members
from clipn.data.location import Location
from clipn.data.readers.image import Image
from clipn.data.readers.selection import selected_paths


def flat_images(location: Location) -> Iterator[Image]:
    """Images by file name, without labels."""
    for path, content in _selected_files(location, _paths(location)):
        yield Image(path.name, -1, content)


def folder_images(location: Location) -> Iterator[Image]:
    """Images as `class/name`; labels are positions among the sorted names of the selected folders."""
    paths = _paths(location)
    labels = {name: label for label, name in enumerate(_parents(paths))}
    for path, content in _selected_files(location, paths):
        yield Image(f"{path.parent.name}/{path.name}", labels[path.parent.name], content)


def folder_classes(location: Location) -> list[str]:
    """Sorted names of the selected folders."""
    return _parents(_paths(location))


def _paths(location: Location) -> list[str]:
    return selected_paths(location.places, location.record.select)


def _parents(paths: Iterable[str]) -> list[str]:
    return sorted({PurePosixPath(path).parent.name for path in paths})


def _selected_files(location: Location, paths: list[str]) -> Iterator[tuple[PurePosixPath, bytes]]:
    chosen = frozenset(paths)
    for place in location.places:
        for name, content in read_members(place, chosen.__contains__):
            yield PurePosixPath(name), content
