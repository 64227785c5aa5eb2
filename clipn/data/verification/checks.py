"""What a file must be: no web page, of the size and with the checksums that its record or its receipt says."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pydantic import NonNegativeInt, ValidationError

from clipn.data.registry import Archive
from clipn.data.store import receipt_path
from clipn.errors import ClipnError
from clipn.files import HEAD, read_json, write_json
from clipn.progress import progress
from clipn.yaml_models import FileName, Record, Sha256

_WRITING = Lock()
"""Two datasets may name the same file, and be fetched at the same time."""
BLOCK = 1 << 20

WEB_PAGE = "is a web page instead of a file"
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)", re.IGNORECASE)
_PAGE_NAMES = (".html", ".htm")


class RefusedError(Exception):
    """A copy is not, or an address does not give, what the record says; another one may."""


class Receipt(Record):
    """The first download of one file."""

    file: FileName
    bytes: NonNegativeInt
    sha256: Sha256
    address: str


class Recorded(NamedTuple):
    """A receipt's checksum, where the file came from, and where that is written."""

    sha256: str
    address: str
    path: Path


def receipt(archive: Archive, downloads: Path) -> Recorded | None:
    """The receipt of a file's first download; None without one, or when a checksum is published.

    Raises:
        ClipnError: the receipt cannot be read.
    """
    path = receipt_path(archive, downloads)
    if archive.has_checksum or not path.exists():
        return None
    try:
        found = Receipt.model_validate(read_json(path))
    except ValidationError as error:
        raise ClipnError(f"{path}: is no receipt; delete it and fetch {archive.file} again") from error
    return Recorded(found.sha256, found.address, path)


def write_receipt(archive: Archive, downloads: Path, size: int, sha256: str, address: str) -> None:
    """Record the first download of a file, from `address`."""
    written = Receipt(file=archive.file, bytes=size, sha256=sha256, address=address)
    # `write_json` tells processes apart by its temporary name, but not threads.
    with _WRITING:
        write_json(receipt_path(archive, downloads), written.model_dump())


class Inspection:
    """Size and checksums of a stream of bytes, compared with a record.

    Args:
        archive: the record.
        first: the receipt of the first download, for a record without a published checksum.
    """

    def __init__(self, archive: Archive, first: Recorded | None = None) -> None:
        self.archive = archive
        self.first = first
        self.published = {name: value for name in ("sha256", "md5") if (value := getattr(archive, name))}
        self.restart()

    def restart(self) -> None:
        """Forget all bytes."""
        self.size = 0
        self.head = b""
        # The sha256 is always taken: receipts and descriptions name a file by it, whatever checksum is published.
        self.hashes = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", *self.published}}

    def update(self, block: bytes) -> None:
        """Take the next bytes."""
        if self.size < HEAD:
            self.head = (self.head + block)[:HEAD]
        self.size += len(block)
        for digest in self.hashes.values():
            digest.update(block)

    @property
    def has_checksum(self) -> bool:
        """Whether there is a checksum, published or of the first download, that a wrong file cannot pass."""
        return bool(self.published or self.first)

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""
        return self.hashes["sha256"].hexdigest()

    def early_error(self) -> str | None:
        """What is wrong already, whatever bytes may follow."""
        if self.is_page(self.head):
            return WEB_PAGE
        expected = self.archive.bytes
        too_many = expected is not None and self.size > expected
        return f"has more than the expected {expected:,} bytes" if too_many else None

    def error(self) -> str | None:
        """What is wrong with the bytes if they are the whole file."""
        if found := self.early_error() or self.size_error(self.size):
            return found
        for name, expected in self.published.items():
            if (found := self.hashes[name].hexdigest()) != expected:
                return f"wrong checksum: {name} is {found}, expected {expected}"
        if self.first is not None and self.sha256 != self.first.sha256:
            what = f"differs from the first download (sha256 {self.first.sha256} recorded in {self.first.path})"
            return f"{what}; if the new one is right, delete {self.first.path}"
        return None

    def size_error(self, size: int) -> str | None:
        """What is wrong with a file of `size` bytes."""
        expected = self.archive.bytes
        return None if expected in (None, size) else f"has {size:,} bytes, expected {expected:,}"

    def is_page(self, head: bytes) -> bool:
        """Whether a file that starts with `head` is a web page and should not be."""
        return not self.may_be_page and _PAGE.match(head) is not None

    @property
    def may_be_page(self) -> bool:
        """Whether the file is a web page by its own name."""
        return self.archive.file.lower().endswith(_PAGE_NAMES)


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file; raises RefusedError when there is none."""
    if not path.is_file():
        raise RefusedError("no such file")
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def verify_file(path: Path, inspection: Inspection) -> None:
    """Let `inspection` see the bytes of a file, showing progress; raises RefusedError when there is none."""
    size = path.stat().st_size if path.is_file() else None
    with progress(size, f"check {inspection.archive.file}", "B") as meter:
        for block in read_blocks(path):
            inspection.update(block)
            meter.update(len(block))
