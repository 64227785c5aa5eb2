"""How every file was made, as Snakemake wrote it down; the only module that knows the layout of its records.

Snakemake keeps one JSON file per output in `.snakemake/metadata`. Its name is the output's path in URL-safe base64;
where that is too long for a file name, all parts but the last are folders with `@` before them. Snakemake ignores
fields that it does not know, and drops them when it re-runs the job; what this project adds stands in such fields.
"""

import json
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from clipn.compute import MACHINE, Arithmetic
from clipn.files import named
from clipn.study.run_lock import only_run

METADATA = Path(".snakemake/metadata")
INCOMPLETE = Path(".snakemake/incomplete")
LOCKS = Path(".snakemake/locks")
LONGEST_NAME = 254
"""Characters of the name of a record; the rest of a longer one is in the folders above it."""
FINGERPRINT = re.compile(r"'([0-9a-f]{16})'")
"""How a value of `clipn.fingerprint` looks among the parameters, which have no names there."""
PASSING = ("starttime", "endtime", "job_hash", "external_jobid", "incomplete")
"""Fields that differ between two runs of the same job."""
PARAMETERS_OF_STALE = "void"
"""Field with the parameters of a stale record, which Snakemake shall not compare; no other record has it. Its name is
kept for records that earlier versions wrote."""
ADDED = ("sha256", "accepted", "made_with", PARAMETERS_OF_STALE, "settings")
"""Fields of this project; the last is of an earlier version, and read no more."""
STALE = "an input is another one"
"""The one parameter of a stale record; no job has it, so Snakemake re-runs the job, and all that follow."""


class RecordFields(BaseModel):
    """The types of all fields of a record, without which neither Snakemake nor this project can read it."""

    model_config = ConfigDict(strict=True)

    rule: str = Field(min_length=1)
    input: list[str] | None = None
    log: list[str] | None = None
    shellcmd: str | None = None
    params: list[str] | None = None
    code: str | None = None
    record_format_version: int = 0
    conda_env: str | None = None
    container_img_url: str | None = None
    software_stack_hash: str | None = None
    job_hash: int | None = None
    starttime: float | None = None
    endtime: float | None = None
    incomplete: bool | None = None
    external_jobid: str | None = None
    input_checksums: dict[str, str] | None = None
    sha256: str | None = None
    accepted: list[str] | None = None
    made_with: str | None = None
    void: list[str] | None = None


@dataclass(frozen=True)
class JobRecord:
    """The job that made a file.

    Attributes:
        content: Snakemake's fields, without those that differ between two runs of the same job.
        started: when the job began, in seconds since the epoch.
        ended: modification time of the file when the job had ended, in seconds since the epoch.
        sha256: of the file as the job left it; None until `clipn.provenance.check` has hashed it.
        accepted: changes since then that a person declared harmless.
        stale: whether an input is no longer the one that the job read, see `clipn.provenance.reconcile.stale_outputs`.
        made_with: the arithmetic, the versions of the numeric libraries and variables that may change digits, in words,
            as the log of the job says; None where it computed nothing, or nobody knows.
    """

    content: dict[str, Any] = field(hash=False)
    started: float = 0.0
    ended: float = 0.0
    sha256: str | None = None
    accepted: tuple[str, ...] = ()
    stale: bool = False
    made_with: str | None = None

    @property
    def rule(self) -> str:
        """Name of the rule."""
        return str(self.content["rule"])

    @property
    def shell(self) -> str | None:
        """The command as it was run; None for a rule without one."""
        return self.content.get("shellcmd")

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of the inputs as the job read them, by path; of large ones Snakemake records none."""
        checksums: dict[str, str] = self.content.get("input_checksums") or {}
        return {path: checksum.removeprefix("sha256:") for path, checksum in checksums.items()}

    @cached_property
    def inputs(self) -> list[str]:
        """Paths of its inputs, in the rule's order as far as that is known."""
        # The checksums are in the rule's order, and lack large inputs; Snakemake sorts the list of all inputs.
        return list(dict.fromkeys([*self.hashes, *(self.content.get("input") or [])]))

    @property
    def parameters(self) -> list[str]:
        """Text of every parameter, sorted."""
        return [str(parameter) for parameter in self.content.get("params") or []]

    @property
    def logs(self) -> list[str]:
        """Logs of the job, which do not travel."""
        return list(self.content.get("log") or [])

    @property
    def benchmarks(self) -> list[str]:
        """Files with the time and memory that the job took, which by custom of this workflow lie beside the logs."""
        return [path.removesuffix(".log") + ".tsv" for path in self.logs]

    def same_job(self, other: "JobRecord") -> bool:
        """Whether another record tells of the same job and the same file, whenever it ran."""
        return (self.content, self.sha256, self.accepted) == (other.content, other.sha256, other.accepted)

    @property
    def code(self) -> str | None:
        """Fingerprint of the code that the job ran; None for a rule without one."""
        return next((found[1] for text in self.parameters if (found := FINGERPRINT.fullmatch(text))), None)

    @property
    def is_complete(self) -> bool:
        """Whether all hashes are known: only then are times corrected whatever they are."""
        return self.sha256 is not None and self.hashes.keys() >= set(self.inputs)

    def with_hashes(self, hashes: Mapping[str, str]) -> "JobRecord":
        """The record with the sha256 of more inputs."""
        known = {**self.hashes, **hashes}
        ordered = {path: f"sha256:{known[path]}" for path in self.inputs if path in known}
        return replace(self, content={**self.content, "input_checksums": ordered})


def read_records(root: Path) -> dict[str, JobRecord]:
    """The records of all files that were made in the project `root`, by path relative to it.

    A record that cannot be read counts as none, as it does for Snakemake.
    """
    found = ((path, _fields(file)) for path, file in _files(root / METADATA))
    records: dict[str, JobRecord] = {}
    # Every output of a job repeats all inputs, which of large jobs would fill the memory.
    jobs: dict[tuple[str, ...], JobRecord] = {}
    for path, fields in found:
        if fields:
            record = _record(fields)
            first = jobs.setdefault((record.rule, *record.logs), record)
            same = record.content == first.content
            records[path] = replace(record, content=first.content) if same else record
    return records


def _record(fields: Mapping[str, Any]) -> JobRecord:
    content = {name: value for name, value in fields.items() if name not in (*PASSING, *ADDED)}
    if PARAMETERS_OF_STALE in fields:
        content["params"] = fields[PARAMETERS_OF_STALE]
    return JobRecord(
        content=content,
        started=fields.get("starttime") or 0.0,
        ended=fields.get("endtime") or 0.0,
        sha256=fields.get("sha256"),
        accepted=tuple(fields.get("accepted") or ()),
        stale=PARAMETERS_OF_STALE in fields,
        made_with=fields.get("made_with"),
    )


def machine_of(record: JobRecord, root: Path) -> str:
    """The processor, and after a comma the arithmetic of a job that computes, as its log says; empty if nobody knows.

    Logs do not travel with results, so one may be left of another run of the job.
    """
    logs = [root / path for path in record.logs]
    here = [log for log in logs if log.is_file() and log.stat().st_mtime >= record.started]
    lines = (line for log in here for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    return next((line.removeprefix(MACHINE) for line in lines if line.startswith(MACHINE)), "")


def with_arithmetic(record: JobRecord, root: Path) -> JobRecord:
    """A record that says what its file was made with, if that is known."""
    made_with = machine_of(record, root).rpartition(", ")[2] if record.made_with is None else ""
    return replace(record, made_with=made_with) if made_with.startswith(get_args(Arithmetic)) else record


def made_with(paths: Iterable[str], records: Mapping[str, JobRecord], root: Path) -> dict[str, list[str]]:
    """Files by what they were made with, as far as that is known."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if path in records and (words := with_arithmetic(records[path], root).made_with):
            found.setdefault(words, []).append(path)
    return found


def differences(files: Mapping[str, Sequence[str]]) -> str:
    """In what the arithmetic of files differs, and how many have it; empty if it does not.

    Args:
        files: their paths, by what they were made with.
    """
    common = set.intersection(*(set(words.split()) for words in files)) if len(files) > 1 else set()
    own = {words: " ".join(word for word in words.split() if word not in common) for words in files}
    parts = [f"{own[words] or 'no variable'} ({named(paths, 1)})" for words, paths in files.items()]
    return ", ".join(parts) if len(files) > 1 else ""


def remove_odd_records(root: Path, known: Container[str]) -> None:
    """Forget the records that cannot be read, at some of which Snakemake would end with a traceback.

    Args:
        root: the project.
        known: paths of the files whose records can be read.

    Raises:
        ClipnError: another run is going on, which may be writing one of them.
    """
    odd = [file for path, file in _files(root / METADATA) if path not in known]
    if odd:
        with only_run(root):
            for file in odd:
                if _fields(file) is None:
                    file.unlink(missing_ok=True)


def _fields(file: Path) -> dict[str, Any] | None:
    """The fields of a record; None if it cannot be read: a run is writing it just now, or was killed, or it is odd."""
    try:
        fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        RecordFields.model_validate(fields)
    except (ValueError, OSError, RecursionError):  # ValidationError is a ValueError
        return None
    return fields


def write_record(root: Path, path: str, record: JobRecord) -> None:
    """Keep the record of the file `path`, where Snakemake reads it."""
    fields = {
        **record.content,
        "starttime": record.started,
        "endtime": record.ended,
        "incomplete": False,
        "sha256": record.sha256,
        "accepted": list(record.accepted),
        "made_with": record.made_with,
    }
    # Snakemake reads no input that is older than the output, so a parameter must tell it that one changed.
    if record.stale:
        fields |= {"params": [repr(STALE)], PARAMETERS_OF_STALE: record.parameters}
    file = _file(root / METADATA, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    (root / INCOMPLETE).mkdir(exist_ok=True)  # without it, Snakemake takes the folder for one of an older version
    temporary = root / METADATA.parent / f"record.{os.getpid()}.part"  # names beside the record may be too long
    temporary.write_text(json.dumps(fields), encoding="utf-8")
    temporary.replace(file)


def remove_record(root: Path, path: str) -> None:
    """Forget the record of the file `path`."""
    _file(root / METADATA, path).unlink(missing_ok=True)


def incomplete_outputs(root: Path) -> set[str]:
    """Paths of the files whose job has begun and not ended: it runs now, or it was killed."""
    return {path for path, _ in _files(root / INCOMPLETE)}


def locked(root: Path) -> bool:
    """Whether Snakemake is running here, or was killed."""
    return any((root / LOCKS).glob("*.lock"))


def _file(folder: Path, path: str) -> Path:
    return folder.joinpath(*_parts(path))


def _parts(path: str) -> list[str]:
    """Names of the folders of a record, and of its file."""
    name = urlsafe_b64encode(path.encode()).decode()
    *parts, last = [name[start : start + LONGEST_NAME] for start in range(0, len(name), LONGEST_NAME)]
    return [*(f"@{part}" for part in parts), last]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every output with its file in one of Snakemake's folders; files with other names than Snakemake gives are not."""
    # In names and not in paths, as there may be a hundred thousand.
    for above, folders, names in os.walk(folder):
        folders.sort()
        parents = Path(above).relative_to(folder).parts
        for name in sorted(names):
            parts = [*parents, name]
            try:
                path = urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()
            except ValueError:
                continue
            if _parts(path) == parts:
                yield path, Path(above, name)
