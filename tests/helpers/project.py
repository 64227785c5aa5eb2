"""A fresh copy of the project in which the workflow can be run."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Self
from unittest import mock

import pytest
import yaml
from snakemake.utils import update_config

from clipn import fingerprint
from clipn.cli import main as cli
from clipn.fingerprint import Fingerprints
from clipn.fingerprint.source import Source
from clipn.provenance.state.run_state import RunState
from clipn.study import snakemake
from clipn.study.snakemake import Plan, Request, planned
from tests.helpers.warm import warm_programs

ROOT = Path(__file__).parents[2]
REDUCED = ROOT / "tests" / "helpers" / "reduced.yaml"
REDUCED_NUMBERS = REDUCED.with_suffix(".json")
"""What `clipn study record` wrote of the reduced demo."""
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def warm_path() -> dict[str, str]:
    """The variable that lets programs begin with their packages imported."""
    return {"PATH": f"{warm_programs()}{os.pathsep}{ENVIRONMENT['PATH']}"}


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    status: int
    text: str

    @property
    def errors(self) -> list[str]:
        """Lines that the command line of this project reports mistakes with."""
        return [line for line in self.text.splitlines() if line.startswith("error: ")]


FOLDERS = ("workflow", "config", "clipn", "snakemake_logger_plugin_clipn")
FILES = (".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "requirements.lock")


LOAD = yaml.load


@cache
def _parsed(text: str, loader: type[yaml.SafeLoader]) -> object:
    return LOAD(text, loader)


def load_once(content: str | IO[str], Loader: type[yaml.SafeLoader]) -> object:
    """`yaml.load` that parses a text once: a fifth of the time of a plan is that of texts which all plans share."""
    return deepcopy(_parsed(content, Loader)) if isinstance(content, str) else LOAD(content, Loader)


class Project:
    """A folder with a copy of the project, and the results of its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A fresh copy of the project."""
        for name in FOLDERS:
            # With what Python compiled of it, so that the first processes need not.
            shutil.copytree(ROOT / name, folder / name)
        for name in FILES:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        remember_modules(folder)
        return cls(folder)

    @classmethod
    def create_reduced(cls, folder: Path) -> Self:
        """A fresh copy of the project whose demo is the reduced one, without an overlay."""
        project = cls.create(folder)
        reduce_demo(folder)
        return project

    def copied_to(self, folder: Path) -> Self:
        """The project with all its results in another folder, dates and all."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return type(self)(folder)

    @property
    def environment(self) -> dict[str, str]:
        """For commands that run the code of this copy."""
        return {**ENVIRONMENT, "PYTHONPATH": str(self.folder)}

    def run(self, *command: str, **variables: str) -> Outcome:
        """Run a command in the project, in a process of its own, with some variables of the environment."""
        environment = self.environment | warm_path() | variables
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return Outcome(done.returncode, done.stdout)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Work in the project in this process, which starts none and imports nothing anew.

        What runs is the code that is imported; fingerprints are of the code of this copy.
        """
        with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
            patch.chdir(self.folder)
            patch.setattr(sys, "path", [*sys.path])
            patch.setattr(yaml, "load", load_once)
            for module in (fingerprint, snakemake):
                patch.setattr(module, "PACKAGE", self.folder / "clipn")
            yield

    @contextmanager
    def planned(self, *targets: str, study: str | None = None, **changes: object) -> Iterator[Plan]:
        """What Snakemake would run, by default for everything, some keys of the study changed."""
        overlay = self.folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(changes))
        with self.inside(), planned(Request(targets or ["all"], study, [overlay])) as plan:
            yield plan

    def plan(self, *targets: str, study: str | None = None, **changes: object) -> Counter[str]:
        """Jobs per rule that Snakemake would run."""
        with self.planned(*targets, study=study, **changes) as plan:
            return Counter(plan.counts)

    def clipn(self, *arguments: str) -> Outcome:
        """Run a command of this program that looks into the project, in this process."""
        said, status = io.StringIO(), 0
        command = mock.patch.object(sys, "argv", ["clipn", *arguments])
        with self.inside(), command, redirect_stdout(said), redirect_stderr(said):
            try:
                cli.main()
            except SystemExit as end:
                # As Python itself does: a text is an error.
                text, status = (end.code, 1) if isinstance(end.code, str) else ("", end.code or 0)
                said.write(text)
        return Outcome(status, said.getvalue())

    @contextmanager
    def edited(self, file: str, text: str) -> Iterator[None]:
        """Append to a file for a while."""
        path = self.folder / file
        before = path.read_bytes()
        path.write_bytes(before + text.encode())
        try:
            yield
        finally:
            path.write_bytes(before)

    def hashes(self, pattern: str) -> dict[str, str]:
        """sha256 of the files that match a pattern, by path in the project."""
        files = sorted(path for path in self.folder.glob(pattern) if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@cache
def parsed_modules() -> dict[str, Source]:
    """What counts of the modules behind all commands, by hash of their texts."""
    fingerprints = Fingerprints()
    modules = (path.relative_to(ROOT).with_suffix("").parts for path in ROOT.glob("clipn/cli/**/*.py"))
    fingerprints(*map(".".join, modules))
    return fingerprints.sources


def remember_modules(folder: Path) -> None:
    """Let a project know the modules as if it had parsed them once; those that are edited are parsed all the same."""
    state = RunState(folder)
    state.sources = parsed_modules()
    state.save()


def reduce_demo(folder: Path) -> None:
    """Make the demo of a project the reduced one, without an overlay, and its backbone less than half as large."""
    architecture = folder / "config/architectures/tiny.json"
    content = json.loads(architecture.read_text())
    # Nearly all of its bytes are embeddings of words.
    content["text_cfg"]["width"] = 16
    architecture.write_text(json.dumps(content, indent=2))
    demo = folder / "config/studies/demo.yaml"
    study = yaml.safe_load(demo.read_text())
    update_config(study, yaml.safe_load(REDUCED.read_text()))
    demo.write_text(yaml.safe_dump(study, sort_keys=False))


def succeeded(outcome: Outcome) -> Outcome:
    """An outcome, whose command must not have failed."""
    assert outcome.status == 0, outcome.text[-3000:]
    return outcome
