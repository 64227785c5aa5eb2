"""Tar files as a stream of members, compressed by gzip or not."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Literal, Self, cast

from clipn.data.archives.members import Member, require_expansion, require_size
from clipn.errors import ClipnError

GZIP_MAGIC = b"\x1f\x8b"
GZIP_BLOCK = 1 << 16
DRAIN_BLOCK = 1 << 20
PACKED_OTHERWISE = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}
"""First bytes of files that are packed, but not as they are read here."""
LARGEST_HEADER = 1 << 20
"""Bytes of the longest extended header, which is read whole."""


@contextmanager
def opened_tar(archive: Path) -> Iterator[Iterator[Member]]:
    """The regular files and folders of an archive, open for one pass; each may be read until the next one is asked for.

    Raises:
        ClipnError: damage, also if it is met inside the block; another compression; files behind the archive's end; or
            a link, a device, a file that is too large.
    """
    with archive.open("rb") as file:
        head = file.read(max(map(len, PACKED_OTHERWISE)))
    if program := next((name for magic, name in PACKED_OTHERWISE.items() if head.startswith(magic)), None):
        raise ClipnError(f"{archive}: is packed by {program}, which is not read; repack it as .tar, .tar.gz or .zip")
    try:
        with archive.open("rb") as packed:
            compressed = is_gzip(archive)
            stream = cast(IO[bytes], _Unpacked(archive, packed)) if compressed else packed
            # Gzip as a stream, since to seek in it is to unpack it again from its start.
            mode: Literal["r|", "r:"] = "r|" if compressed else "r:"
            with tarfile.open(fileobj=stream, mode=mode, bufsize=GZIP_BLOCK, tarinfo=_Header) as tar:
                yield _members(archive, tar)
            # gzip compares its checksum at the very end, behind the last member.
            while stream.read(DRAIN_BLOCK):
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ClipnError(f"{archive}: damaged or not a tar archive ({error}); delete it and fetch it again") from error


def is_gzip(archive: Path) -> bool:
    """Whether a file starts like a gzip file."""
    with archive.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def is_tar(archive: Path) -> bool:
    """Whether a file is a tar archive, compressed or not."""
    return tarfile.is_tarfile(archive)


class _Unpacked:
    """The bytes inside a gzip file, refused as soon as they are far more than compressed images are."""

    def __init__(self, archive: Path, packed: IO[bytes]) -> None:
        self._archive = archive
        self._packed = packed
        self._stream = gzip.GzipFile(fileobj=packed)

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        require_expansion(self._archive, self._packed.tell(), self._stream.tell())
        return content


class _Header(tarfile.TarInfo):
    """A member header; damage is an error, where the standard library takes it for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            # A whole block of zeros is the archive's true end.
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(str(error)) from error
        # An extended header is read into memory before anybody could refuse its member.
        if not header.isreg() and not 0 <= header.size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


def _members(archive: Path, tar: tarfile.TarFile) -> Iterator[Member]:
    while (header := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header
        # The holes of a sparse member cost the archive no byte: they would be a bomb without compression.
        if not (header.isreg() or header.isdir()) or header.issparse():
            raise ClipnError(f"{archive}: member {header.name!r} is a link or a device; do not use this archive")
        require_size(archive, header.name, header.size)
        content = partial(_content, tar, header)
        yield Member(header.name, header.size, content, header.offset_data, is_folder=header.isdir())
    # An archive ends in zeros; `cat` puts further ones behind them, whose files would be lost.
    while behind := cast(IO[bytes], tar.fileobj).read(DRAIN_BLOCK):
        if behind.strip(b"\0"):
            raise ClipnError(f"{archive}: goes on behind its end; unpack it with `tar -xif`, and pack it again")


def _content(tar: tarfile.TarFile, header: tarfile.TarInfo) -> bytes:
    return cast(IO[bytes], tar.extractfile(header)).read()
