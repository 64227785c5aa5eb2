"""Plain folders as a stream of members."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipn.data.archives.members import UNWRITABLE, Member, require_size
from clipn.errors import ClipnError


@contextmanager
def opened_folder(folder: Path) -> Iterator[Iterator[Member]]:
    """All that lies below a folder, sorted by relative POSIX paths; of what a dot hides, the outermost names only.

    Raises:
        ClipnError: a link leaves the folder, leads nowhere or to a folder; a device; a file that is too large or
            cannot be read.
    """
    try:
        root = folder.resolve()
        # All paths at once, since "a-b" sorts before "a/b" and a walk would go through "a/" first.
        entries = sorted(entries_below(folder), key=lambda found: found[0])
        yield (_member(folder, root, name, entry) for name, entry in entries)
    # A file may go away while others are read, so errors inside the block count, too.
    except OSError as error:
        raise _unreadable(folder, error) from error


def entries_below(folder: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Relative POSIX path and entry of all below a folder, in no order; nothing in what a dot hides or is a link.

    Raises:
        ClipnError: a folder cannot be read.
    """
    # No recursion, which a thousand folders in one another would exhaust.
    waiting = [""]
    try:
        while waiting:
            inner = waiting.pop()
            with os.scandir(folder / inner) as entries:
                for entry in entries:
                    yield f"{inner}{entry.name}", entry
                    if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{inner}{entry.name}/")
    except OSError as error:
        raise _unreadable(folder, error) from error


def _member(folder: Path, root: Path, name: str, entry: "os.DirEntry[str]") -> Member:
    path = folder / name
    if entry.name.startswith("."):
        # It is never read, so its name need not be one that a manifest can hold.
        return Member(UNWRITABLE.sub("?", name), 0, path.read_bytes)
    if entry.is_dir(follow_symlinks=False):
        return Member(name, 0, path.read_bytes, is_folder=True)
    if not entry.is_file() or (entry.is_symlink() and not path.resolve().is_relative_to(root)):
        raise ClipnError(f"{path}: is neither a file nor a link to a file of {root}; put a copy in its place")
    return Member(name, require_size(folder, name, path.stat().st_size), path.read_bytes)


def _unreadable(folder: Path, error: OSError) -> ClipnError:
    # The path of a file may be thousands of characters long.
    return ClipnError(f"{folder}: cannot be read ({error!s:.300}); check its files, permissions and depth")
