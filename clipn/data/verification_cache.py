"""What a verification saw, kept apart from its results because it holds times and places of this machine."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from clipn.data.description import RESULTS
from clipn.data.registry import CaptionSource, CleaningList, Dataset
from clipn.errors import ClipnError
from clipn.files import file_hash, read_json, write_json
from clipn.yaml_models import Record

VERIFICATION_CACHE = Path("work/verified")
"""Where it is kept, relative to the working directory."""


@dataclass(frozen=True)
class Sources:
    """All that verifying a record reads; arguments as those of `clipn.data.verify.verify_record`."""

    record: Dataset | CaptionSource
    archives: Path
    base: Path
    unpacked: Path | None
    cleaning: list[str]

    def state(self) -> str:
        """Hash of the record, and of path, size, time and inode of every file; links are followed."""
        states = [state for place in self._places() for state in _states(place.absolute())]
        lists = [f"{known.reader} {known.images} {known.archive.identity}" for known in self._lists()]
        lines = [self.record.expectation, *self.cleaning, *lists, *states]
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()

    def _places(self) -> Iterator[Path]:
        record = self.record
        packed = [self.archives / archive.file for archive in record.archives]
        yield from [self.unpacked, *packed[1:]] if self.unpacked else packed
        named = (record.folder, record.file_list if isinstance(record, Dataset) else None)
        yield from (self.base / path for path in named if path is not None)
        yield from (self.archives / known.archive.file for known in self._lists())

    def _lists(self) -> list[CleaningList]:
        known = self.record.cleaning if isinstance(self.record, Dataset) else {}
        return [known[key] for key in self.cleaning if key in known]


class Seen(Record):
    """What one verification saw.

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

    def is_here(self, record: Dataset | CaptionSource, archives: Path, base: Path, output: Path) -> bool:
        """Whether sources and results are still what they were."""
        sources = Sources(record, archives, base, self.unpacked, self.cleaning)
        return self.results == _results(output) and self.sources == sources.state()


def remember(sources: Sources, state: str, output: Path, seen: Path) -> None:
    """Keep what was seen: `sources`, in that state before, and the results in `output`."""
    unpacked = sources.unpacked and sources.unpacked.absolute()
    found = Seen(unpacked=unpacked, cleaning=sources.cleaning, sources=state, results=_results(output))
    write_json(_path(output, seen), found.model_dump(mode="json"))


def recall(output: Path, seen: Path) -> Seen | None:
    """What the verification into `output` saw; None if there is no trace of one."""
    try:
        return Seen.model_validate(read_json(_path(output, seen)))
    except (ClipnError, ValidationError):
        return None


def forget(output: Path, seen: Path) -> None:
    """Make `recall` give None."""
    _path(output, seen).unlink(missing_ok=True)


def _path(output: Path, seen: Path) -> Path:
    return seen / f"{hashlib.sha256(bytes(output.resolve())).hexdigest()[:16]}.json"


def _results(output: Path) -> str:
    return " ".join(file_hash(output / name) for name in RESULTS if (output / name).is_file())


def _states(place: Path) -> Iterator[str]:
    """Of a file, or of every file of a folder; as in reading, what starts with a dot is left out."""
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        hidden = any(part.startswith(".") for part in file.relative_to(place).parts)
        if not hidden and file.is_file():
            status = file.stat()
            yield f"{file} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
