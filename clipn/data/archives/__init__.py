"""Files in tar and zip archives and in plain folders, read as a stream, and tars with the same bytes every time."""

import gzip
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from clipn.data.archives.members import Member, is_hidden, safe_name
from clipn.data.archives.tars import is_gzip, opened_tar
from clipn.data.archives.trees import opened_folder
from clipn.data.archives.zips import is_zip, opened_zip
from clipn.errors import ClipnError
from clipn.files import atomic, require


def read_members(archive: Path, predicate: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the regular files whose names fit, in archive order; of a folder, sorted.

    Nothing is written to disk. Names are POSIX paths without a leading `./`; files with a component that
    starts with a dot are left out.

    Args:
        archive: .tar, .tar.gz, .zip, or a folder.
        predicate: tells by its name whether a file is to be read.

    Raises:
        ClipnError: the archive is missing or damaged, or holds an unsafe path, a link, a device, a file above 1 GiB,
            or what expands like a bomb.
    """
    with _opened(archive) as members:
        for name, member in members:
            if predicate(name):
                yield name, member.read()


def member_names(archive: Path) -> list[str]:
    """Names that `read_members` would yield, in its order; raises the same errors."""
    with _opened(archive) as members:
        return [name for name, _ in members]


def entry_names(archive: Path) -> list[str]:
    """Names of everything, sorted: hidden files, too, and folders, which end in a slash; raises as `read_members`.

    Of what lies in a hidden folder of a plain folder, only the hidden folder itself.
    """
    with _entries(archive) as entries:
        return sorted(f"{name}/" if member.is_folder else name for name, member in entries if name != ".")


def member_offsets(archive: Path) -> Iterator[tuple[str, int, int]]:
    """Yield (name, offset, size) of what `read_members` would yield, for a tar that is not compressed.

    Raises:
        ClipnError: as `read_members`, or the archive is compressed.
    """
    if is_gzip(require(archive)) or is_zip(archive):
        raise ClipnError(f"{archive}: is compressed, so its members cannot be read one by one; unpack it to .tar")
    with _opened(archive) as members:
        for name, member in members:
            assert member.offset is not None
            yield name, member.offset, member.size


def write_archive(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) pairs to a tar archive, compressed if `path` ends in `.gz`, atomically.

    The bytes depend on names, contents and their order only: time 0, owner 0, mode 0644.
    """
    with atomic(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            # gzip's header holds a file name and a time of its own.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
                _write_members(stream, members)
        else:
            _write_members(raw, members)


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[tuple[str, Member]]]:
    """Files with their safe names, without those that a dot hides."""
    with _entries(archive) as entries:
        yield ((name, member) for name, member in entries if not (member.is_folder or is_hidden(name)))


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[tuple[str, Member]]]:
    """Files and folders with their safe names."""
    if archive.is_dir():
        opened = opened_folder(archive)
    else:
        # Told apart by their first bytes, since published files bear names of any kind.
        opened = opened_zip(archive) if is_zip(require(archive)) else opened_tar(archive)
    with opened as members:
        # Names are checked before hidden files are left out: a hidden name may lead out of the folder, too.
        yield ((safe_name(archive, member.name), member) for member in members)


def _write_members(stream: IO[bytes] | gzip.GzipFile, members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), 0, 0o644
            member.uid = member.gid = 0
            tar.addfile(member, BytesIO(content))
