"""The image files behind what a person names on the command line: files, folders, patterns, or a list on a stream."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from clipn.data.readers.selection import is_image
from clipn.errors import ClipnError
from clipn.files import named

NAMED = 3
"""Files that are left out and are named."""
STREAM = "-"
"""Stands for the standard input, with a name per line."""


class ImageFiles(NamedTuple):
    """Paths of files, each once.

    Attributes:
        images: to be read, in the order in which they were named; those of a folder are sorted.
        others: files in folders that are no images by their endings.
    """

    images: list[str]
    others: list[str]

    @property
    def left_out(self) -> str:
        """A line about the other files; empty if there are none."""
        number = len(self.others)
        files = f"file{'s' * (number > 1)}"
        return f"{number} {files} of no image format left out: {named(self.others, NAMED)}" if number else ""


def find_images(names: Iterable[str], stream: Iterable[str] = ()) -> ImageFiles:
    """All image files behind `names`.

    Args:
        names: files, whatever their endings; folders, with all folders in them but hidden ones; shell patterns, with
            `**` for any folders; `-` for the lines of `stream`.
        stream: a name of a file per line.

    Raises:
        ClipnError: a name is of nothing, or none of them is of an image.
    """
    files: dict[str, bool] = {}
    for name in names:
        for path, taken in _behind(name, stream):
            files[path] = taken or files.get(path, False)
    images = [path for path, taken in files.items() if taken]
    if not images:
        raise ClipnError(f"{', '.join(names)}: no image file; name image files, or folders that hold some")
    return ImageFiles(images, [path for path, taken in files.items() if not taken])


def _behind(name: str, stream: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Files of one name, each with whether it is taken for an image."""
    if name == STREAM:
        # Windows marks a list by a sign at its start.
        yield from ((line.removeprefix("\ufeff").rstrip("\r\n"), True) for line in stream if line.strip())
    elif Path(name).is_dir():
        yield from ((path, is_image(path)) for path in _in_folder(name))
    elif Path(name).exists():
        yield name, True
    elif found := sorted(path for path in glob.glob(name, recursive=True) if Path(path).is_file()):  # noqa: PTH207
        yield from ((path, True) for path in found)
    else:
        raise ClipnError(f"{name}: no such file or folder, nor does the pattern fit any; check the path")


def _in_folder(folder: str) -> Iterator[str]:
    """Sorted paths of the files in a folder and the folders in it, hidden ones left out."""
    seen: set[tuple[int, int]] = set()
    # No recursion, which a thousand folders in one another would exhaust.
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            # A link to a folder above would lead in circles.
            status = os.stat(place)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                found = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
        except OSError as error:
            raise ClipnError(f"{folder}: cannot be read ({error!s:.300}); check permissions and depth") from error
        yield from (os.path.join(place, name) for name, is_folder in found if not is_folder)  # noqa: PTH118
        waiting += [os.path.join(place, name) for name, is_folder in reversed(found) if is_folder]  # noqa: PTH118
