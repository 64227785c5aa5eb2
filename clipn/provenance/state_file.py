"""A file of JSON in which this machine keeps what it knows of a project, from one process to the next."""

import json
from pathlib import Path
from typing import Any

from clipn.files import write_text

FOLDER = Path(".snakemake")
OLD = FOLDER / "ledger.json"
"""What earlier versions kept in one file; it is read where a file of its own is not there yet."""


class StateFile:
    """One such file.

    Attributes:
        content: what it held when it was read; empty if it is missing or damaged, as all of it can be found out again.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._path = root / FOLDER / name
        read = next((path for path in (self._path, root / OLD) if path.is_file()), None)
        # What was read from the old file is written to the new one, even if it is the same.
        self._saved = self._path.read_bytes() if read == self._path else b""
        try:
            content = json.loads(read.read_bytes()) if read else {}
        except ValueError:
            content = {}
        self.content: dict[str, Any] = content if isinstance(content, dict) else {}

    def save(self, content: dict[str, Any]) -> None:
        """Write a content, unless it is the one that is there."""
        text = json.dumps(content, sort_keys=True)
        if text.encode() != self._saved:
            write_text(self._path, text)
            self._saved = text.encode()
