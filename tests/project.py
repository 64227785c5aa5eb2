"""A fresh copy of the project in which the workflow can be run."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
REDUCED = ROOT / "tests" / "reduced.yaml"
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    status: int
    text: str

    @property
    def planned(self) -> Counter[str]:
        """Jobs per rule in Snakemake's statistics; empty when there is nothing to do."""
        if "Nothing to be done" in self.text:
            return Counter()
        table = self.text.split("Job stats:")[1].split("\ntotal ")[0]
        return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)})

    @property
    def errors(self) -> list[str]:
        """Lines that the command line of this project reports mistakes with."""
        return [line for line in self.text.splitlines() if line.startswith("error: ")]


class Project:
    """A folder with the project's workflow and configuration, and the results of its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("workflow", "config"):
            shutil.copytree(ROOT / name, folder / name)

    def run(self, *command: str) -> Outcome:
        """Run a command in the project."""
        done = subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return Outcome(done.returncode, done.stdout)

    def snakemake(self, *arguments: str, **changes: object) -> Outcome:
        """Run Snakemake on the reduced demo, some keys of the study changed."""
        overlay = self.folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(changes))
        return self.run("snakemake", *arguments, "--configfile", str(REDUCED), str(overlay))

    def hashes(self, pattern: str) -> dict[str, str]:
        """sha256 of the files that match a pattern, by path in the project."""
        files = sorted(path for path in self.folder.glob(pattern) if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def succeeded(outcome: Outcome) -> Outcome:
    """An outcome, whose command must not have failed."""
    assert outcome.status == 0, outcome.text[-3000:]
    return outcome
