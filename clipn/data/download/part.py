"""The beginning of a file that is being fetched; it survives a failure, and the next attempt continues it."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import NonNegativeInt, ValidationError

from clipn.data.verification.checks import Inspection, RefusedError, verify_file
from clipn.errors import ClipnError
from clipn.files import read_json, write_json
from clipn.progress import progress
from clipn.yaml_models import Record


class Origin(Record):
    """What a part was received from; a server names a version of its file by an entity tag or a time."""

    address: str
    entity_tag: str | None = None
    modified: str | None = None
    total: NonNegativeInt | None = None

    @property
    def version(self) -> str | None:
        """What a server may be asked to compare its file with (RFC 9110, 13.1.5); weak tags do not serve."""
        strong = self.entity_tag and not self.entity_tag.startswith("W/")
        return self.entity_tag if strong else self.modified

    def contradicts(self, other: "Origin") -> bool:
        """Whether both cannot be the same version of a file."""
        fields = ("entity_tag", "modified", "total")
        pairs = [(getattr(self, field), getattr(other, field)) for field in fields]
        return any(mine != theirs for mine, theirs in pairs if mine is not None and theirs is not None)

    def confirms(self, other: "Origin") -> bool:
        """Whether both name the same version of the same address."""
        same = self.address == other.address and not self.contradicts(other)
        return same and other.version is not None and other.version in (self.entity_tag, self.modified)


class Part:
    """Bytes that have arrived of a file, in the file `path`, with their origin in another beside it.

    `inspection` has seen the same bytes, so that nothing is read twice in one process.
    """

    def __init__(self, path: Path, inspection: Inspection) -> None:
        self.inspection = inspection
        self.path = path
        self.origin_path = self.path.with_suffix(".part.json")
        self.origin: Origin | None = None
        self.is_pieced = False
        """Whether the bytes come from several responses."""

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.inspection.size

    @property
    def total(self) -> int | None:
        """Bytes of the whole file: of its record, else as announced; None when unknown."""
        if self.inspection.archive.bytes is not None:
            return self.inspection.archive.bytes
        return self.origin.total if self.origin else None

    @property
    def missing(self) -> int | None:
        """Bytes still to come; None when unknown."""
        return None if self.total is None else self.total - self.size

    def resume(self) -> None:
        """Continue what an earlier process left; a part without an origin is deleted."""
        try:
            self.origin = Origin.model_validate(read_json(self.origin_path))
        except (ClipnError, ValidationError):
            # Of bytes of unknown origin nobody can say which version of the file they begin.
            self.origin = None
        if self.origin is None or not self.path.is_file():
            self.discard()
        else:
            verify_file(self.path, self.inspection)
            self.is_pieced = self.size > 0

    def begin(self, origin: Origin) -> None:
        """Start again from byte 0."""
        self.discard()
        self._set_origin(origin)
        self.path.touch()

    def go_on(self, origin: Origin) -> None:
        """Continue with bytes of `origin`."""
        self._set_origin(origin)
        self.is_pieced = True

    def _set_origin(self, origin: Origin) -> None:
        # It is on the disk before the first byte is: a process that is killed leaves no part of unknown origin.
        if origin != self.origin:
            write_json(self.origin_path, origin.model_dump())
        self.origin = origin

    def extend(self, blocks: Iterable[bytes]) -> None:
        """Append `blocks`; stops early at bytes that cannot be right."""
        what = f"fetch {self.inspection.archive.file}"
        with (
            self.path.open("ab", buffering=0) as stream,
            progress(self.total, what, "B", done=self.size) as meter,
        ):
            for block in blocks:
                # A disk that fills up takes a piece of the block first, and raises at the next write.
                rest = memoryview(block)
                while rest:
                    rest = rest[stream.write(rest) :]
                self.inspection.update(block)
                meter.update(len(block))
                if self.inspection.early_error():
                    return

    def discard(self) -> None:
        """Forget all bytes."""
        self.remove()
        self.inspection.restart()
        self.origin = None
        self.is_pieced = False

    def verify(self) -> None:
        """Check that the part is the whole file.

        Raises:
            RefusedError: it is not what the record says; the part is deleted.
        """
        if error := self.inspection.error():
            self.discard()
            raise RefusedError(error)

    def move(self, path: Path) -> None:
        """Make the part, which is the whole file, the file `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(path)
        self.remove()

    def remove(self) -> None:
        """Remove both files, if they are there."""
        self.origin_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def require_space(part: Path, missing: int) -> None:
    """Raise ClipnError when `missing` more bytes do not fit on the disk of `part`."""
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise _full_disk(part, missing, f"{free:,} are free")


@contextmanager
def naming_full_disk(part: Part) -> Iterator[None]:
    """Turn the system's errors for a full disk, a quota or a limit of file size into a ClipnError."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        if part.total is None:
            # Nobody knows whether it has an end, so it may not keep the disk full.
            part.discard()
        missing = part.total and part.total - _size(part.path)
        raise _full_disk(part.path, missing, os.strerror(error.errno)) from error


def _size(part: Path) -> int:
    # On the disk may lie more than was inspected: the block that did not fit was written in part.
    return part.stat().st_size if part.exists() else 0


def _full_disk(part: Path, missing: int | None, reason: str) -> ClipnError:
    count = "bytes" if missing is None else f"{missing:,} bytes"
    kept = f"; the {size:,} bytes so far are kept there" if (size := _size(part)) else ""
    what = f"not enough disk space for the {count} still to come ({reason})"
    return ClipnError(f"{part}: {what}{kept}; free some and run again")
