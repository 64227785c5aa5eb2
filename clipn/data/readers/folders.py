"""Files in one folder per class, or in no folders that mean anything."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from clipn.data.location import Location
from clipn.data.readers.image import Image
from clipn.data.readers.selection import selected_files, selected_paths
from clipn.errors import ClipnError


def flat_images(location: Location) -> Iterator[Image]:
    """Images by file name, without labels."""
    for path, content in selected_files(location.paths, location.record.select):
        yield Image(path.name, -1, content)


def folder_images(location: Location) -> Iterator[Image]:
    """Images as `class/name`; labels are positions among the sorted names of the selected folders."""
    labels = {name: label for label, name in enumerate(folder_classes(location))}
    for path, content in selected_files(location.paths, location.record.select):
        yield Image(f"{path.parent.name}/{path.name}", labels[path.parent.name], content)


def folder_classes(location: Location) -> list[str]:
    """Sorted names of the selected folders."""
    paths = selected_paths(location.paths, location.record.select)
    names = {path: PurePosixPath(path).parent.name for path in paths}
    if stray := next((path for path, name in names.items() if not name), None):
        raise ClipnError(f"{stray}: lies in no folder, so it has no class; move it, or name the reader `flat`")
    return sorted(set(names.values()))
