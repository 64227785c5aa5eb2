"""Which files of an archive belong to a dataset."""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from clipn.data.archives import member_names
from clipn.data.registry import Selection

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"}


def is_image(path: str) -> bool:
    """Whether a file's name ends like that of an image."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def selected_paths(archives: list[Path], select: Selection) -> list[str]:
    """Sorted paths of the image files in archives or folders that a selection keeps.

    In a folder, which may be an unpacked archive's outermost one, a pattern matches a path if it matches with or
    without the folder's own name before it: in `somewhere/dtd`, `dtd/images/*` and `images/*` are the same.
    """
    kept = [
        path
        for archive in archives
        for path in _matching(filter(is_image, member_names(archive)), select, own_name(archive))
    ]
    return sorted(kept)[select.start : select.stop]


def selected(paths: Iterable[str], select: Selection) -> list[str]:
    """Sorted paths that a selection keeps."""
    return sorted(_matching(paths, select, ""))[select.start : select.stop]


def own_name(archive: Path) -> str:
    """What the paths of an unpacked archive may lack: the folder's own name with a slash; empty for a file."""
    return f"{archive.absolute().name}/" if archive.is_dir() else ""


def _matching(paths: Iterable[str], select: Selection, own: str) -> Iterator[str]:
    include, exclude = _any_of(select.include), _any_of(select.exclude)
    for path in paths:
        forms = {path, own + path}
        if any(map(include.match, forms)) and not any(map(exclude.match, forms)):
            yield path


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    """One expression for many shell patterns; it matches nothing when there are none."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
