"""A file of JSON in which this machine keeps what it knows of a project, from one process to the next."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from clipn.files import write_text

Part = TypeVar("Part")
FOLDER = Path(".snakemake")
OLD = FOLDER / "ledger.json"
"""What earlier versions kept in one file; it is read where a file of its own is not there yet."""


class StateFile:
    """One such file; what is missing, damaged or odd in it counts as nothing, as all of it can be found out again."""

    def __init__(self, root: Path, name: str) -> None:
        self._path = root / FOLDER / name
        read = next((path for path in (self._path, root / OLD) if path.is_file()), None)
        try:
            text = read.read_bytes() if read else b"{}"
            content = json.loads(text)
        except (OSError, ValueError, RecursionError):
            text, content = b"", {}
        # What was read from the old file is written to the new one, even if it is the same.
        self._saved = text if read == self._path else b""
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}

    def part(self, key: str, shape: type[Part]) -> Part | None:
        """What it held under a key when it was read; None if that is missing, or not of the shape."""
        try:
            return TypeAdapter(shape).validate_python(self._content.get(key))
        except ValidationError:
            return None

    def save(self, content: dict[str, Any]) -> None:
        """Write a content, unless it is the one that is there."""
        text = json.dumps(content, sort_keys=True)
        if text.encode() != self._saved:
            write_text(self._path, text)
            self._saved = text.encode()
