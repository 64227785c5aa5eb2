"""What a file must be: no web page, of the size and with the checksums that its record or its receipt says."""

import hashlib
import re

from clipn.data.download.receipts import Recorded
from clipn.data.registry import Archive

HEAD = 512
"""Bytes at the start of a file that show whether it is a web page."""

WEB_PAGE = "is a web page instead of a file"
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)", re.IGNORECASE)
_PAGE_NAMES = (".html", ".htm")


class RefusedError(Exception):
    """A copy is not, or an address does not give, what the record says; another one may."""


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

    def objection(self) -> str | None:
        """What is wrong already, whatever bytes may follow."""
        if self.is_page(self.head):
            return WEB_PAGE
        expected = self.archive.bytes
        too_many = expected is not None and self.size > expected
        return f"has more than the expected {expected:,} bytes" if too_many else None

    def complaint(self) -> str | None:
        """What is wrong with the bytes if they are the whole file."""
        if known := self.objection() or self.size_complaint(self.size):
            return known
        for name, expected in self.published.items():
            if (found := self.hashes[name].hexdigest()) != expected:
                return f"wrong checksum: {name} is {found}, expected {expected}"
        if self.first is not None and self.sha256 != self.first.sha256:
            what = f"differs from the first download (sha256 {self.first.sha256} recorded in {self.first.path})"
            return f"{what}; if the new one is right, delete {self.first.path}"
        return None

    def size_complaint(self, size: int) -> str | None:
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
