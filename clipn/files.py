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
HEAD = 512
"""Bytes at the start of a file that show what it is."""

protected: set[tuple[int, int]] = set()
"""Files that are not overwritten, by `identity`: those that the running command was given to read."""


def identity(path: Path | str) -> tuple[int, int]:
    """Device and inode of a file, which all of its names have in common."""
    found = Path(path).stat()
    return found.st_dev, found.st_ino


def require_replaceable(path: Path) -> None:
    """Raises ClipnError: at `path` is a folder, a device, or a file that the command reads; or it is below a file."""
    if path.is_dir():
        raise ClipnError(f"{path}: is a folder; name a file")
    # A rename would take the device away from everybody; `/dev/stdout` may be a link to a file.
    if path.parent == Path("/dev") or (path.exists() and not path.is_file()):
        raise ClipnError(f"{path}: is a pipe or a device; name a file")
    for above in path.parents:
        if above.is_file():
            raise ClipnError(f"{path}: cannot lie below {above}, which is a file; name another folder")
    if protected and path.exists() and identity(path) in protected:
        raise ClipnError(f"{path}: is read by this command, and would be overwritten; name another output")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it.

    Raises:
        ClipnError: as `require_replaceable`.
    """
    require_replaceable(path)
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
    # RecursionError: brackets nested a thousand deep.
    except (ValueError, RecursionError) as error:
        raise ClipnError(f"{path}: not valid JSON ({error}); delete it and run again") from error


def read_mapping(path: Path) -> dict[str, Any]:
    """Parse a JSON file that holds a mapping.

    Raises:
        ClipnError: the file is missing, is not JSON, or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ClipnError(f"{path}: holds no mapping; give a JSON file of keys and values")
    return content


def require(path: Path) -> Path:
    """Return `path` if it is there.

    Raises:
        ClipnError: the file is missing, or is a folder, a pipe or a device.
    """
    if path.is_file():
        return path
    if path.exists():
        raise ClipnError(f"{path}: is a folder, a pipe or a device; name a file")
    raise ClipnError(f"{path}: no such file; check the path, or make it by running the step that writes it")


def other_content(path: Path) -> str | None:
    """What a file is in place of the weights that its name promises, and what to do; None if that cannot be told."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    is_named, is_safetensors = path.suffix == ".safetensors", head[8:9] == b"{"
    contents = {
        "is a Git LFS pointer, not the file; run `git lfs pull`, or download it": head.startswith(LFS_POINTER),
        "is a web page, not the file; download it again, as that page says": head.lstrip().startswith(b"<"),
        "is a file of torch, not of safetensors; rename it to .pt": is_named and head[:1] in (b"P", b"\x80"),
        "is a file of safetensors, not of torch; rename it to .safetensors": is_safetensors and not is_named,
    }
    return next((content for content, found in contents.items() if found), None)


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes, read in blocks."""
    with require(path).open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def named(paths: Sequence[str], most: int) -> str:
    """The first of some paths, and how many more there are."""
    more = len(paths) - most
    return f"{', '.join(paths[:most])}{f' and {more} more' if more > 0 else ''}"
