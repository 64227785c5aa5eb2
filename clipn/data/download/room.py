"""Room on the disk for what is still to come."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clipn.errors import ClipnError

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def require_room(part: Path, missing: int) -> None:
    """Raises ClipnError when `missing` more bytes do not fit on the disk of `part`."""
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise _no_room(part, missing, f"{free:,} are free")


@contextmanager
def room_for(part: Path, total: Callable[[], int | None]) -> Iterator[None]:
    """Name a full disk as a ClipnError; `total` gives the bytes of the whole file, None when unknown."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        size = total()
        raise _no_room(part, size and size - _size(part), os.strerror(error.errno)) from error


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _no_room(part: Path, missing: int | None, reason: str) -> ClipnError:
    count = "bytes" if missing is None else f"{missing:,} bytes"
    kept = f"; the {size:,} bytes so far are kept there" if (size := _size(part)) else ""
    return ClipnError(f"{part}: no room for the {count} still to come ({reason}){kept}; make room and run again")
