"""The hashes of files here, so that no file is read twice; what DVC calls its state."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from clipn.files import file_hash
from clipn.progress import tracked
from clipn.provenance.state.state_file import StateFile

NAME = "hash_cache.json"
HashedFile = tuple[int, int, int, int, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]
"""Size, time of modification and of change in nanoseconds, inode, and sha256."""


class HashCache:
    """sha256 of files by path, valid for one size, inode, and time of modification and of change; links are followed.

    No program can set the time of change, so it tells of new content that came with an old date.

    Attributes:
        root: the project; all paths are relative to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file = StateFile(root, NAME)
        self._files: dict[str, HashedFile] = self._file.part("files", dict[str, HashedFile]) or {}

    def sha256(self, path: str) -> str | None:
        """Of a file as it is now; None if it is missing.

        A file is hashed again only when its size, inode or a time changed.
        """
        state = self._state(path)
        if state is None:
            return None
        if self._files.get(path, ())[:-1] != state:
            self._files[path] = (*state, file_hash(self.root / path))
        return self._files[path][-1]

    def hash_files(self, paths: Iterable[str]) -> None:
        """Hash many files at once, those that need it."""
        states = {path: self._state(path) for path in paths}
        unread = [path for path, state in states.items() if state and self._files.get(path, ())[:-1] != state]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            # The results are thrown away: what counts is that the cache has them, and that the bar moves.
            for _ in tracked(pool.map(self.sha256, unread), len(unread), "hash", "files"):
                pass

    def set_timestamp(self, path: str, nanoseconds: int) -> None:
        """Give a file another time of modification, without having to hash it again."""
        known = self._files.get(path) if self._files.get(path, ())[:-1] == self._state(path) else None
        # A file of somebody else, as in a shared cache, keeps its time: only its owner may set it.
        with suppress(PermissionError):
            os.utime(self.root / path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)
        # Asked of the disk, since file systems round times, and a link's target keeps its own.
        if known and (state := self._state(path)):
            self._files[path] = (*state, known[-1])

    def save(self) -> None:
        """Write it, unless that would change nothing."""
        self._file.save({"files": self._files})

    def _state(self, path: str) -> tuple[int, int, int, int] | None:
        try:
            state = (self.root / path).stat()
        except FileNotFoundError:
            return None
        return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
