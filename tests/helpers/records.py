"""Projects with files and the records that Snakemake keeps of them, made without running anything."""

import hashlib
import json
import os
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from clipn.errors import ClipnError
from clipn.fingerprint import Fingerprints
from clipn.provenance.check import CheckedStudy, check_outputs
from clipn.provenance.records import JobRecord, read_records
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.study.snakemake import Mode

LONGEST_NAME = 254
STAGES = """
stages:
  data:
    cmd: snakemake data
    outs:
      - results/studies/${study}/provenance/data.jsonl: {persist: true}
      - results/studies/${study}/archives: {persist: true}
      - results/studies/${study}/datasets: {persist: true}
  report:
    cmd: snakemake all
    outs:
      - results/studies/${study}/provenance/report.jsonl: {persist: true}
      - results/studies/${study}/figures: {persist: true}
      - results/studies/${study}/tables/x.csv
    metrics:
      - results/tables/x.csv: {persist: true}
"""
WORDS = "config/words.txt"
TABLE = "results/tables/x.csv"
"""The copy of the active study's table."""
FIELDS: dict[str, Any] = {
    "rule": "some_rule",
    "input": [],
    "log": [],
    "shellcmd": None,
    "params": [],
    "code": "",
    "record_format_version": 6,
    "conda_env": None,
    "container_img_url": None,
    "software_stack_hash": "d41d8cd98f00b204e9800998ecf8427e",
    "job_hash": 1,
    "starttime": 1.0,
    "endtime": 2.0,
    "incomplete": False,
    "external_jobid": None,
    "input_checksums": {},
}
"""Those of Snakemake in a record."""
CODE, OTHER_CODE = "00000000deadbeef", "0123456789abcdef"


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def record_file(folder: Path, output: str) -> Path:
    """Where Snakemake keeps what it knows of an output."""
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + LONGEST_NAME] for start in range(0, len(name), LONGEST_NAME)]
    return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def write_record(root: Path, output: str, **fields: Any) -> None:
    """A record with all of Snakemake's fields."""
    file = record_file(root / ".snakemake" / "metadata", output)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(FIELDS | fields))


def home(study: str) -> str:
    return f"results/studies/{study}"


def files_of(study: str) -> list[str]:
    """What `Made.study` makes, inputs first."""
    names = ("archives/sun.tar", "datasets/names.json", "datasets/images.json", "datasets/unused.json", "tables/x.csv")
    return [*(f"{home(study)}/{name}" for name in names), TABLE]


ARCHIVE, NAMES, IMAGES, UNUSED, OWN_TABLE, _ = files_of("demo")
DATA, REPORT = (f"{home('demo')}/provenance/{stage}.jsonl" for stage in ("data", "report"))


def lines(file: Path) -> list[dict[str, Any]]:
    """What a file of records says."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def outputs(file: Path) -> list[list[str]]:
    """The files of every job in a file of records."""
    return [list(line["outputs"]) for line in lines(file) if "outputs" in line]


def written(file: Path) -> tuple[int, int]:
    """What is another when a file has been written again, though its content is the same."""
    state = file.stat()
    return state.st_ino, state.st_mtime_ns


class Made:
    """A project whose files were made one after the other.

    Attributes:
        root: its folder.
        clock: when the latest file was made, in seconds since the epoch; long ago, so that an edited file is newer.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = 1_000_000.0

    @classmethod
    def demo(cls, root: Path) -> Self:
        """A project with the study `demo` as Snakemake leaves it, before the first check."""
        made = cls(root)
        made.study("demo")
        return made

    def write(self, path: str, content: str) -> None:
        """Write a file now, as a person does."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def date(self, path: str, seconds: float) -> None:
        """Give a file a time of modification."""
        os.utime(self.root / path, (seconds, seconds))

    def source(self, path: str, content: str) -> str:
        """A file from outside that is older than all that is made after it; returns its path."""
        self.clock += 10
        self.write(path, content)
        self.date(path, self.clock)
        return path

    def make(self, path: str, rule: str, *inputs: str, content: str | None = None, **fields: Any) -> str:
        """A file and the record of the job that made it from `inputs` as they are; returns its path."""
        self.clock += 10
        self.write(path, path if content is None else content)
        self.date(path, self.clock)
        hashes = {name: f"sha256:{sha256((self.root / name).read_text())}" for name in inputs}
        known = {"rule": rule, "shellcmd": f"clipn {rule}", "input": sorted(inputs), "input_checksums": hashes}
        job = {"log": [f"logs/{path}.log"], "starttime": self.clock - 5, "endtime": self.clock}
        write_record(self.root, path, **known | job | fields)
        return path

    def begin(self, path: str) -> None:
        """What Snakemake notes when the job of a file begins, and removes when it ends."""
        marker = record_file(self.root / ".snakemake/incomplete", path)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()

    def study(self, name: str) -> None:
        """Two stages of a study: a dataset, in two files of one job, and a table with its copy at the short path."""
        archive, names, images, unused, table, copy = files_of(name)
        self.source("dvc.yaml", STAGES)
        self.source(WORDS, "yes no")
        self.make(archive, "fetch_archive", WORDS)
        for path in (names, images):
            self.make(path, "verify_dataset", archive, log=[f"logs/{name}/verify_dataset.log"])
        self.make(unused, "count_words", archive)
        self.make(table, "ood_table", images, names)
        self.make(copy, "publish", table, content=table)

    def publish(self, **fields: Any) -> None:
        """Copy the table of `demo` once more, with the same content."""
        self.make(TABLE, "publish", OWN_TABLE, content=(self.root / OWN_TABLE).read_text(), **fields)

    def check(
        self,
        study: str = "demo",
        expected: Collection[str] = (),
        mode: Mode = Mode.CHECK,
        closures: dict[str, dict[str, str]] | None = None,
    ) -> RunState:
        """Check the outputs of a study as a new process does that has fingerprints; returns what it keeps."""
        cache, state, fingerprints = HashCache(self.root), RunState(self.root), Fingerprints()
        fingerprints.closures |= closures or {}
        check_outputs(CheckedStudy(study, expected), cache, state, fingerprints, mode)
        return state

    def records(self) -> dict[str, JobRecord]:
        """All local records, without their times."""
        return {path: replace(record, started=0, ended=0) for path, record in read_records(self.root).items()}

    def copied_to(self, folder: Path) -> "Made":
        """The project on another machine: its files, and of the records those that travel with them."""
        shutil.copytree(self.root, folder, ignore=shutil.ignore_patterns(".snakemake"))
        return Made(folder)


def error_of(made: Made, study: str = "demo", expected: Collection[str] = (), mode: Mode = Mode.CHECK) -> str:
    """The message that a check stops with."""
    with pytest.raises(ClipnError) as caught:
        made.check(study, expected, mode)
    return str(caught.value)


def not_as_made(path: str) -> str:
    """The message of a check that finds one result edited."""
    remedy = f"`dvc checkout --force {path}` gets back what was made, and what is removed is rebuilt"
    return f"{path}: not as made; {remedy}"
