"""Which files of an archive belong to a dataset."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from clipn.data.archives import member_names, read_members
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
    kept = [path for archive in archives for path in filter(image_filter(archive, select), member_names(archive))]
    return sorted(kept)[select.start : select.stop]


def selected_files(archives: list[Path], select: Selection) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield (path, content) of the files of `selected_paths`, in archive order.

    An archive is read once, unless the selection counts paths.
    """
    # Which paths a count keeps is known only once all names are sorted.
    counts = select.start > 0 or select.stop is not None
    chosen = frozenset(selected_paths(archives, select)) if counts else frozenset()
    for archive in archives:
        keeps = chosen.__contains__ if counts else image_filter(archive, select)
        for name, content in read_members(archive, keeps):
            yield PurePosixPath(name), content


def selected(paths: Iterable[str], select: Selection) -> list[str]:
    """Sorted paths that a selection keeps."""
    return sorted(filter(_filter(select), paths))[select.start : select.stop]


def image_filter(archive: Path, select: Selection) -> Callable[[str], bool]:
    """Whether a path in an archive or folder is of an image file that the patterns of a selection keep."""
    matches = _filter(select, own_name(archive))
    return lambda path: is_image(path) and matches(path)


def own_name(archive: Path) -> str:
    """What the paths of an unpacked archive may lack: the folder's own name with a slash; empty for a file."""
    return f"{archive.absolute().name}/" if archive.is_dir() else ""


def _filter(select: Selection, own: str = "") -> Callable[[str], bool]:
    """Whether the patterns of a selection keep a path."""
    include, exclude = _any_of(select.include), _any_of(select.exclude)

    def keeps(path: str) -> bool:
        forms = {path, own + path}
        return any(map(include.match, forms)) and not any(map(exclude.match, forms))

    return keeps


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    """One expression for many shell patterns; it matches nothing when there are none."""
    # One expression instead of a loop over patterns, since an archive may hold a million names.
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
