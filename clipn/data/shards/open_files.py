"""Files that are read at any offset, again and again."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from clipn.files import require

HELD_OPEN = 400
"""Most files held open; others are opened for each read. Systems allow a process 1024 and more."""


class OpenFiles:
    """Reads any part of `paths`, by number, from several threads if need be."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._open: dict[int, IO[bytes]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Files are opened again in another process, which cannot take over their handles."""
        return {**self.__dict__, "_open": {}}

    def read(self, number: int, offset: int, size: int) -> bytes:
        """`size` bytes of file `number` from `offset` on, fewer where the file ends.

        Raises:
            ClipnError: the file is missing.
        """
        if number in self._open:
            # pread has no position of its own, so threads do not disturb each other.
            return os.pread(self._open[number].fileno(), size, offset)
        stream = require(self.paths[number]).open("rb", buffering=0)
        if len(self._open) < HELD_OPEN:
            self._open[number] = stream
            return os.pread(stream.fileno(), size, offset)
        with stream:
            return os.pread(stream.fileno(), size, offset)
