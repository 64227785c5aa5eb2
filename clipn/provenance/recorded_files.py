"""The files of a study that hold numbers, compared with those that were recorded, and where both were made."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clipn.compute import processor
from clipn.errors import ClipnError
from clipn.files import read_json, write_json
from clipn.provenance.records import machine_of, read_records
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.trace import SHORT
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.paths import StudyPaths
from clipn.study.scorings import scorings
from clipn.study.targets import number_files

RECORDED_HASHES = Path("config/recorded")
KINDS = 2
"""Kinds of processors that must have made the same files before another one is told that it may not differ."""


@dataclass(frozen=True)
class RecordedFiles:
    """What is recorded of a study.

    Attributes:
        arithmetic: kernels and libraries that the files were made with.
        processors: those that have made exactly these files.
        files: sha256 by path, in the order in which they are made.
    """

    arithmetic: str
    processors: Sequence[str]
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"{', '.join(self.processors)}, {self.arithmetic}"

    def short_hash(self, path: str) -> str:
        """The beginning of a file's hash."""
        return self.files[path][:SHORT] if path in self.files else "none"


@dataclass(frozen=True)
class Comparison:
    """A study's files beside the recorded ones.

    Attributes:
        study: its name.
        here: the files here, with this processor.
        recorded: what is recorded.
        made_on: the machine that made the first file that differs.
    """

    study: str
    here: RecordedFiles
    recorded: RecordedFiles
    made_on: str

    @property
    def differing(self) -> list[str]:
        """Paths whose file is not the recorded one, or that one side lacks, in the order of the road."""
        return differing(self.here, self.recorded)

    @property
    def fails(self) -> bool:
        """Whether a difference must not be: the same kernels and libraries, and this processor or several kinds."""
        known = self.recorded.processors
        proven = len(known) >= KINDS or not {*self.here.processors}.isdisjoint(known)
        return bool(self.differing) and proven and self.here.arithmetic == self.recorded.arithmetic

    def __str__(self) -> str:
        """One line."""
        number = len(self.here.files)
        if not self.differing:
            return f"{self.study}: all {number} files with numbers are as recorded on {self.recorded}"
        path = self.differing[0]
        here, there = self.here.short_hash(path), self.recorded.short_hash(path)
        return (
            f"{self.study}: {path}: {here} here (made on {self.made_on}), {there} recorded (on {self.recorded}); the "
            f"first of {len(self.differing)} that differ, of {number}"
        )


def differing(here: RecordedFiles, recorded: RecordedFiles) -> list[str]:
    """Paths with different hashes, or that one side lacks; in the order of the files here, then of the others."""
    paths = dict.fromkeys([*here.files, *recorded.files])
    return [path for path in paths if here.files.get(path) != recorded.files.get(path)]


def compare(study: Study, root: Path, recorded: Path | None = None) -> Comparison:
    """Compare a study's files with the recorded ones.

    Args:
        study: the study.
        root: the project.
        recorded: JSON of `record`; None: that of the study in `RECORDED_HASHES`.

    Raises:
        ClipnError: a file of the study is missing, or nothing is recorded.
    """
    known = _read(root / (recorded or RECORDED_HASHES / f"{study.study}.json"))
    here = _made_here(study, root)
    first = next(iter(differing(here, known)), "")
    job = read_records(root).get(first)
    return Comparison(study.study, here, known, (job and machine_of(job, root)) or "an unknown machine")


def record(study: Study, root: Path, recorded: Path | None = None) -> Path:
    """Record a study's files as they are here; a processor that has made the recorded ones is added to those that did.

    Raises:
        ClipnError: a file of the study is missing, or what was recorded cannot be read.
    """
    path = root / (recorded or RECORDED_HASHES / f"{study.study}.json")
    here = _made_here(study, root)
    known = _read(path) if path.exists() else None
    others = known.processors if known and not differing(here, known) else []
    write_json(path, asdict(replace(here, processors=list(dict.fromkeys([*others, *here.processors])))))
    return path


def _made_here(study: Study, root: Path) -> RecordedFiles:
    """The files that are here, as those of this processor."""
    paths, cache = StudyPaths(study, StudyData(study)), HashCache(root)
    files = number_files(paths)
    cache.hash_files(files)
    cache.save()
    found = {path: cache.sha256(path) for path in files}
    if missing := [path for path, sha256 in found.items() if sha256 is None]:
        raise ClipnError(f"{missing[0]}: not here; make the study first: snakemake all --config study={study.study}")
    arithmetic = read_json(root / paths.metrics(scorings(study)[0]))["arithmetic"]
    return RecordedFiles(arithmetic, [processor()], {path: str(sha256) for path, sha256 in found.items()})


def _read(path: Path) -> RecordedFiles:
    if not path.exists():
        raise ClipnError(f"{path}: no such file, so nothing is recorded; `clipn study record` writes it")
    try:
        return RecordedFiles(**read_json(path))
    except TypeError as error:
        raise ClipnError(f"{path}: no record of files; get it back with `git checkout {path}`, or delete it") from error
