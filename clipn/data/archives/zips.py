"""Zip files as a stream of members."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from clipn.data.archives.members import Member, require_expansion, require_size
from clipn.errors import ClipnError

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
"""Of the first member, and of the end of an empty archive."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
WINDOWS = 0
DAMAGE = (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError, ValueError)
"""What the standard library raises for files that are not what their directory says."""


@contextmanager
def opened_zip(archive: Path) -> Iterator[Iterator[Member]]:
    """The regular files and folders of an archive, open for one pass.

    Raises:
        ClipnError: damage, also if it is met inside the block; or a link, a device, a password, a compression other
            than deflate, a file that is too large or expands too far.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            yield (_member(archive, opened, entry) for entry in opened.infolist())
    except DAMAGE as error:
        raise ClipnError(f"{archive}: damaged or not a zip archive ({error}); delete it and fetch it again") from error


def is_zip(archive: Path) -> bool:
    """Whether a file starts like a zip file."""
    with archive.open("rb") as stream:
        return stream.read(len(ZIP_MAGICS[0])) in ZIP_MAGICS


def _member(archive: Path, opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    # Some programs of Windows write backslashes, without which no folder would be a class.
    name = entry.filename.replace("\\", "/") if entry.create_system == WINDOWS else entry.filename
    if name.endswith("/"):
        return Member(name, 0, partial(_content, opened, entry), is_folder=True)
    # The upper half holds a Unix mode, or nothing when another system wrote the archive.
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise ClipnError(f"{archive}: member {entry.filename!r} is a link or a device; do not use this archive")
    if entry.flag_bits & ENCRYPTED:
        raise ClipnError(f"{archive}: member {entry.filename!r} has a password; repack the archive without one")
    if entry.compress_type not in METHODS:
        raise ClipnError(f"{archive}: member {entry.filename!r} is not deflated; repack the archive as .tar")
    require_size(archive, entry.filename, entry.file_size)
    require_expansion(archive, entry.compress_size, entry.file_size)
    return Member(name, entry.file_size, partial(_content, opened, entry))


def _content(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with opened.open(entry) as stream:
        # Not more than the directory says, whatever the compressed bytes stand for.
        content = stream.read(entry.file_size)
    if len(content) < entry.file_size:
        raise EOFError(f"{entry.filename} ends early")
    return content
