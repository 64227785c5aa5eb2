"""What a verification read, so that `clipn data status` need not read it again.

It is kept apart from the results, because it holds times and paths of this machine.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from clipn.data.archives.trees import entries_below
from clipn.data.description import RESULTS
from clipn.data.registry import CaptionSource, Dataset
from clipn.errors import ClipnError
from clipn.files import file_hash, read_json, write_json
from clipn.yaml_models import Record

VERIFICATION_CACHE = Path("work/verified")
"""Its folder, relative to the working directory."""


@dataclass(frozen=True)
class Sources:
    """All that verifying a record reads; arguments as those of `clipn.data.verify.verify_record`."""

    record: Dataset | CaptionSource
    archives: Path
    base: Path
    unpacked: Path | None
    cleaning: list[str]

    def state(self) -> str:
        """Hash of the record, and of path, size, times and inode of every file; links are followed."""
        record = self.record
        cleaning = record.cleaning if isinstance(record, Dataset) else {}
        lists = [cleaning[key] for key in self.cleaning if key in cleaning]
        packed = [self.archives / archive.file for archive in record.archives]
        own = (record.folder, *(record.lists_in_place if isinstance(record, Dataset) else ()))
        paths = [
            *([self.unpacked, *packed[1:]] if self.unpacked else packed),
            *(self.base / path for path in own if path is not None),
            *(self.archives / entry.archive.file for entry in lists),
        ]
        states = [state for path in paths for state in _file_states(path.absolute())]
        expected = [f"{entry.reader} {entry.images} {entry.archive.identity}" for entry in lists]
        lines = [record.expectation, *self.cleaning, *expected, *states]
        # File names that are no UTF-8 hold surrogates, which no strict encoding takes.
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


class CachedVerification(Record):
    """What one verification read and wrote.

    Attributes:
        unpacked: the copy that stood for the first archive.
        cleaning: the lists whose columns the manifest got.
        sources: `Sources.state` before anything was read.
        results: hash of what was written.
    """

    unpacked: Path | None
    cleaning: list[str]
    sources: str
    results: str

    def is_current(self, record: Dataset | CaptionSource, archives: Path, base: Path, output: Path) -> bool:
        """Whether neither sources nor results changed since."""
        sources = Sources(record, archives, base, self.unpacked, self.cleaning)
        return self.results == _results(output) and self.sources == sources.state()


def save_verification(sources: Sources, state: str, output: Path, cache: Path) -> None:
    """Store that `sources`, whose state was `state` before they were read, gave the results in `output`."""
    # The next call may come from another working directory.
    unpacked = sources.unpacked and sources.unpacked.absolute()
    entry = CachedVerification(unpacked=unpacked, cleaning=sources.cleaning, sources=state, results=_results(output))
    write_json(_entry_path(output, cache), entry.model_dump(mode="json"))


def cached_verification(output: Path, cache: Path) -> CachedVerification | None:
    """The entry of the verification into `output`; None where there is none or it cannot be read."""
    try:
        return CachedVerification.model_validate(read_json(_entry_path(output, cache)))
    except (ClipnError, ValidationError):
        # A damaged entry costs one more verification and is no mistake of the user's.
        return None


def remove_verification(output: Path, cache: Path) -> None:
    """Remove the entry of the verification into `output`, if there is one."""
    _entry_path(output, cache).unlink(missing_ok=True)


def _entry_path(output: Path, cache: Path) -> Path:
    return cache / f"{hashlib.sha256(bytes(output.resolve())).hexdigest()[:16]}.json"


def _results(output: Path) -> str:
    return " ".join(file_hash(output / name) for name in RESULTS if (output / name).is_file())


def _file_states(path: Path) -> Iterator[str]:
    """Of a file, or of every file of a folder; readers leave out what starts with a dot, and so does this."""
    below = entries_below(path) if path.is_dir() else ()
    visible = [path / name for name, entry in below if not entry.name.startswith(".")]
    for file in sorted(visible) if path.is_dir() else [path]:
        if file.is_file():
            status = file.stat()
            # Inode and time of change tell a file from another one of its size and date, renamed or copied over it.
            yield f"{file} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
