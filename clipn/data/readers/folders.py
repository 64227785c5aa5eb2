"""Files in one folder per class, or in no folders that mean anything."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from clipn.data.location import Location
from clipn.data.readers.image import Image
from clipn.data.readers.selection import selected_files, selected_paths
from clipn.errors import ClipnError


def flat_images(location: Location) -> Iterator[Image]:
    """Images without labels, by file name; in a folder where two have one file name, by their whole path."""
    is_unique = True
    # Not in archives: a compressed one would be read once more for its names.
    if location.paths[0].is_dir():
        names = [PurePosixPath(path).name for path in selected_paths(location.paths, location.record.select)]
        is_unique = len(set(names)) == len(names)
    for path, content in selected_files(location.paths, location.record.select):
        yield Image(path.name if is_unique else str(path), -1, content)


def folder_images(location: Location) -> Iterator[Image]:
    """Images as `class/name`; labels are positions among the sorted names of the selected folders."""
    labels = {name: label for label, name in enumerate(folder_classes(location))}
    for path, content in selected_files(location.paths, location.record.select):
        yield Image(f"{path.parent.name}/{path.name}", labels[path.parent.name], content)


def folder_classes(location: Location) -> list[str]:
    """Sorted names of the selected folders, which lie side by side.

    Raises:
        ClipnError: an image lies in no folder, or folders of images lie in different folders: which of them are the
            classes is not for a program to say.
    """
    paths = [PurePosixPath(path) for path in selected_paths(location.paths, location.record.select)]
    if stray := next((path for path in paths if not path.parent.name), None):
        raise ClipnError(f"{stray}: lies in no folder, so it has no class; move it, or name the reader `flat`")
    if apart := folders_apart(path.parent for path in paths):
        raise ClipnError(
            f"{location.paths[0]}: {apart[0]} and {apart[1]} do not lie side by side, so they are not clearly classes; "
            "take one folder that holds a folder per class, choose it with `select`, or give a file list with labels"
        )
    return sorted({path.parent.name for path in paths})


def folders_apart(folders: Iterable[PurePosixPath]) -> tuple[PurePosixPath, PurePosixPath] | None:
    """The first two of the folders that do not lie in one folder; None: all lie side by side."""
    firsts = {folder.parent: folder for folder in sorted(set(folders), reverse=True)}
    first, *others = sorted(firsts.values()) or [PurePosixPath()]
    return (first, others[0]) if others else None
