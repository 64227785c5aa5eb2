"""The files of a study that hold numbers, compared with those that were recorded, and where both were made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipn.compute import processor
from clipn.errors import ClipnError
from clipn.files import read_json, write_json
from clipn.provenance.hash_cache import HashCache
from clipn.provenance.records import MACHINE, JobRecord, read_records
from clipn.provenance.trace import SHORT
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.paths import StudyPaths
from clipn.study.scorings import scorings
from clipn.study.targets import number_files

RECORDED = Path("config/recorded")
KINDS = 2
"""Kinds of processors that must have made the same files before another one is told that it may not differ."""


@dataclass(frozen=True)
class RecordedFiles:
    """What is recorded of a study.

    Attributes:
        machines: arithmetic and libraries of those that have made exactly these files, by processor.
        files: sha256 by path, in the order in which they are made.
    """

    machines: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """A study's files beside the recorded ones.

    Attributes:
        study: its name.
        recorded: what is recorded.
        files: sha256 of the files here, by path.
        made_on: the machine that made the first file that differs.
    """

    study: str
    recorded: RecordedFiles
    files: Mapping[str, str]
    made_on: str

    @property
    def differing(self) -> list[str]:
        """Paths whose file is not the recorded one, or that one side lacks, in the order of the road."""
        return differing(self.files, self.recorded.files)

    @property
    def fails(self) -> bool:
        """Whether a difference must not be: where this processor, or several kinds, made the recorded files."""
        known = self.recorded.machines
        return bool(self.differing) and (processor() in known or len(known) >= KINDS)

    def __str__(self) -> str:
        """One line."""
        machines = "; ".join(f"{name}, {arithmetic}" for name, arithmetic in self.recorded.machines.items())
        if not self.differing:
            return f"{self.study}: all {len(self.files)} files with numbers are as recorded on {machines}"
        path, number = self.differing[0], len(self.differing)
        here, there = (_short(files.get(path)) for files in (self.files, self.recorded.files))
        return (
            f"{self.study}: {path}: {here} here (made on {self.made_on}), {there} recorded (on {machines}); the first "
            f"of {number} that differ, of {len(self.files)}"
        )


def differing(files: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Paths with different hashes, or that one side lacks; in the order of `files`, then of `others`."""
    return [path for path in dict.fromkeys([*files, *others]) if files.get(path) != others.get(path)]


def compare(study: Study, root: Path, recorded: Path | None = None) -> Comparison:
    """Compare a study's files with the recorded ones.

    Args:
        study: the study.
        root: the project.
        recorded: JSON of `record`; None: that of the study in `RECORDED`.

    Raises:
        ClipnError: a file of the study is missing, or nothing is recorded.
    """
    known = _read(root / (recorded or RECORDED / f"{study.study}.json"))
    files = _hashes(study, root)
    first = next(iter(differing(files, known.files)), "")
    return Comparison(study.study, known, files, _made_on(read_records(root).get(first), root))


def record(study: Study, root: Path, recorded: Path | None = None) -> Path:
    """Record a study's files as they are here; a machine that has made the recorded ones is added to those that did.

    Raises:
        ClipnError: a file of the study is missing.
    """
    path = root / (recorded or RECORDED / f"{study.study}.json")
    files = _hashes(study, root)
    known = _read(path) if path.exists() else None
    machines = known.machines if known and not differing(files, known.files) else {}
    paths = StudyPaths(study, StudyData(study))
    arithmetic = read_json(root / paths.metrics(scorings(study)[0]))["arithmetic"]
    write_json(path, {"machines": {**machines, processor(): arithmetic}, "files": files})
    return path


def _read(path: Path) -> RecordedFiles:
    if not path.exists():
        raise ClipnError(f"{path}: no such file, so nothing is recorded; `clipn study record` writes it")
    try:
        content = read_json(path)
        return RecordedFiles(content["machines"], content["files"])
    except (KeyError, TypeError) as error:
        raise ClipnError(f"{path}: no record of files; get it back with `git checkout {path}`, or delete it") from error


def _hashes(study: Study, root: Path) -> dict[str, str]:
    cache, paths = HashCache(root), number_files(StudyPaths(study, StudyData(study)))
    cache.hash_files(paths)
    cache.save()
    found = {path: cache.sha256(path) for path in paths}
    if missing := [path for path, sha256 in found.items() if sha256 is None]:
        raise ClipnError(f"{missing[0]}: not here; make the study first: snakemake all --config study={study.study}")
    return {path: sha256 for path, sha256 in found.items() if sha256}


def _made_on(job: JobRecord | None, root: Path) -> str:
    """The machine that a job ran on, as its log says; logs do not travel with results."""
    logs = [root / path for path in job.logs] if job else []
    lines = [line for log in logs if log.exists() for line in log.read_text(encoding="utf-8").splitlines()[:2]]
    return next((line.removeprefix(MACHINE) for line in lines if line.startswith(MACHINE)), "another machine")


def _short(sha256: str | None) -> str:
    return sha256[:SHORT] if sha256 else "none"
