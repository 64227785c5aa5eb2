"""Tar archives, read as a stream without extraction and written with the same bytes every time."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Self, cast

from clipn.errors import ClipnError
from clipn.files import atomic, require

GZIP_MAGIC = b"\x1f\x8b"
READ_BLOCK = 1 << 20


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the regular files whose name is `wanted`, in archive order.

    Nothing is written to disk. Names are POSIX paths without a leading `./`; files with a component that
    starts with a dot are left out.

    Raises:
        ClipnError: the archive is missing or damaged, or holds an unsafe path, a link or a device.
    """
    with _opened(archive) as tar:
        for name, member in _files(archive, tar):
            if wanted(name):
                yield name, cast(IO[bytes], tar.extractfile(member)).read()


def member_names(archive: Path) -> list[str]:
    """Names that `read_members` would yield, in archive order; raises the same errors."""
    with _opened(archive) as tar:
        return [name for name, _ in _files(archive, tar)]


def member_places(archive: Path) -> Iterator[tuple[str, int, int]]:
    """Yield (name, offset, size) of what `read_members` would yield, for an archive that is not compressed.

    Raises:
        ClipnError: as `read_members`, or the archive is compressed.
    """
    if _is_compressed(archive):
        raise ClipnError(f"{archive}: is compressed, so its members cannot be read one by one; unpack it to .tar")
    with _opened(archive) as tar:
        for name, member in _files(archive, tar):
            yield name, member.offset_data, member.size


def write_archive(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) pairs to a tar archive, compressed if `path` ends in `.gz`, atomically.

    The bytes depend on names, contents and their order only: time 0, owner 0, mode 0644.
    """
    with atomic(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
                _write_members(stream, members)
        else:
            _write_members(raw, members)


class _Header(tarfile.TarInfo):
    """A member header; damage is an error, where the standard library takes it for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(str(error)) from error


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """The archive, open for one pass; damage met inside the block becomes one ClipnError."""
    try:
        with _decompressed(require(archive)) as stream:
            with tarfile.open(fileobj=stream, mode="r:", tarinfo=_Header) as tar:
                yield tar
            while stream.read(READ_BLOCK):  # gzip compares its checksum at the very end
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ClipnError(f"{archive}: damaged or not a tar archive ({error}); delete it and fetch it again") from error


def _decompressed(archive: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(archive)) if _is_compressed(archive) else archive.open("rb")


def _is_compressed(archive: Path) -> bool:
    with require(archive).open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _files(archive: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for member in tar:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise ClipnError(f"{archive}: member {member.name!r} leaves the archive's folder; do not use this archive")
        if not (member.isreg() or member.isdir()):
            raise ClipnError(f"{archive}: member {member.name!r} is a link or a device; do not use this archive")
        if member.isreg() and not any(part.startswith(".") for part in path.parts):
            yield str(path), member


def _write_members(stream: IO[bytes] | gzip.GzipFile, members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), 0, 0o644
            member.uid = member.gid = 0
            tar.addfile(member, BytesIO(content))
