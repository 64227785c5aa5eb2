"""What the first download of a file without a published checksum was, so that later ones can be compared with it."""

from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pydantic import ValidationError

from clipn.data.registry import Archive, FileName, Record, Sha256
from clipn.errors import ClipnError
from clipn.files import read_json, write_json

_WRITING = Lock()
"""Two datasets may name the same file, and be fetched at the same time."""


class Receipt(Record):
    """The first download of one file."""

    file: FileName
    bytes: int
    sha256: Sha256
    address: str


class Recorded(NamedTuple):
    """A receipt's checksum and where it is written."""

    sha256: str
    path: Path


def receipt_path(archive: Archive, downloads: Path) -> Path:
    """Where the receipt of a file is kept."""
    return downloads / "recorded" / f"{archive.file}.json"


def receipt(archive: Archive, downloads: Path) -> Recorded | None:
    """The receipt of a file's first download; None without one, or when a published checksum proves the file.

    Raises:
        ClipnError: the receipt cannot be read.
    """
    path = receipt_path(archive, downloads)
    if archive.has_checksum or not path.exists():
        return None
    try:
        return Recorded(Receipt.model_validate(read_json(path)).sha256, path)
    except ValidationError as error:
        raise ClipnError(f"{path}: is no receipt; delete it and fetch {archive.file} again") from error


def write_receipt(archive: Archive, downloads: Path, size: int, sha256: str, address: str) -> None:
    """Record the first download of a file, from `address`."""
    written = Receipt(file=archive.file, bytes=size, sha256=sha256, address=address)
    with _WRITING:
        write_json(receipt_path(archive, downloads), written.model_dump())
