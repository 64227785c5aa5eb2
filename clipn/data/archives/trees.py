"""Plain folders as a stream of members."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipn.data.archives.members import Member, require_size
from clipn.errors import ClipnError


@contextmanager
def opened_folder(folder: Path) -> Iterator[Iterator[Member]]:
    """The files below a folder, sorted by their relative POSIX paths; what starts with a dot is left out.

    Raises:
        ClipnError: a link leaves the folder, leads nowhere or to a folder; a device; a file that is too large or
            cannot be read.
    """
    try:
        root = folder.resolve()
        # All paths at once, since "a-b" sorts before "a/b" and a walk would go through "a/" first.
        paths = sorted((path.relative_to(folder).as_posix(), path) for path in _files(folder, root))
        yield (Member(name, require_size(folder, name, path.stat().st_size), path.read_bytes) for name, path in paths)
    # A file may go away while others are read, so errors inside the block count, too.
    except OSError as error:
        raise ClipnError(f"{folder}: cannot be read ({error}); check its files and permissions") from error


def _files(folder: Path, root: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(path, root)
        elif entry.is_file() and path.resolve().is_relative_to(root):
            yield path
        else:
            raise ClipnError(f"{path}: is neither a file nor a link to a file of {root}; put a copy in its place")
