"""Files that appear whole or not at all, and their hashes."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipn.errors import ClipnError

WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
"""Endings of the names of weight files."""
LFS_POINTER = b"version https://git-lfs"
"""How a Git LFS pointer begins."""
LFS_REMEDY = "is a Git LFS pointer, not the file; run `git lfs pull`, or download it"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, since a rename is atomic within one file system only; with the process, since two may write one file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline; key order is kept."""
    # JSON has no NaN: Python would write one that no other program reads.
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        ClipnError: the file is missing or is not JSON.
    """
    require(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ClipnError(f"{path}: not valid JSON ({error}); delete it and run again") from error


def require(path: Path) -> Path:
    """Return `path` if it is there.

    Raises:
        ClipnError: the file is missing.
    """
    if not path.is_file():
        raise ClipnError(f"{path}: no such file; check the path, or make it by running the step that writes it")
    return path


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is what Git leaves in the place of a large one that was not fetched."""
    with path.open("rb") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes, read in blocks."""
    with require(path).open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def named(paths: Sequence[str], most: int) -> str:
    """The first of some paths, and how many more there are."""
    more = len(paths) - most
    return f"{', '.join(paths[:most])}{f' and {more} more' if more > 0 else ''}"


def human_bytes(size: int) -> str:
    """A number of bytes in gigabytes or, below one, in megabytes, with two decimals."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.2f} MB"
