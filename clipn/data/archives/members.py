"""One file inside an archive or a folder, and what makes it unsafe to read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clipn.errors import ClipnError

LARGEST = 1 << 30
"""Bytes of the largest file that is read."""
EXPANSION = 100
"""How many bytes one compressed byte may stand for; compressed images stay near 1."""
EXPANSION_FLOOR = 64 << 20
"""Bytes that may come out of anything."""
UNWRITABLE = re.compile("[\0\r\n\ud800-\udfff]")
"""What a line of UTF-8 cannot hold."""


@dataclass(frozen=True)
class Member:
    """A regular file, or a folder.

    Attributes:
        name: its path as the archive, or the folder, writes it.
        size: in bytes.
        read: gives its content.
        offset: byte of the archive at which the content starts; None where it does not lie there as it is.
        is_folder: whether it is a folder, which has no content.
    """

    name: str
    size: int
    read: Callable[[], bytes]
    offset: int | None = None
    is_folder: bool = False


def is_hidden(name: str) -> bool:
    """Whether a dot hides a file or folder, or one that it lies in; `name` is one of `safe_name`."""
    return name.startswith(".") or "/." in name


def safe_name(archive: Path, name: str) -> str:
    """A member's name as a POSIX path without a leading `./`.

    Raises:
        ClipnError: it leaves the archive's folder, or cannot be written as a line of UTF-8.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ClipnError(f"{archive}: member {name!r} leaves the archive's folder; do not use this archive")
    # Manifests and lists of names hold one name per line.
    if UNWRITABLE.search(name):
        raise ClipnError(f"{archive}: member {name!r} is not a line of UTF-8; rename it")
    return str(path)


def require_size(archive: Path, name: str, size: int) -> int:
    """Return `size`, in bytes; raise ClipnError for a member that is larger than any image or table."""
    # A damaged tar header can hold a negative number.
    if not 0 <= size <= LARGEST:
        raise ClipnError(f"{archive}: member {name!r} of {size:,} bytes is no image; do not use this archive")
    return size


def require_expansion(archive: Path, packed: int, unpacked: int) -> None:
    """Raise ClipnError when `packed` bytes have become far more than compressed images do."""
    # Lists of labels shrink more than a hundredfold, but they stay below the floor.
    if unpacked > max(EXPANSION_FLOOR, EXPANSION * packed):
        raise ClipnError(
            f"{archive}: {packed:,} compressed bytes expand to {unpacked:,} or more; do not use this archive"
        )
