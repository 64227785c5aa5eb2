"""Projects with files and the records that Snakemake keeps of them, made without running anything."""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

LONGEST_NAME = 254


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
    record = {
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
    file.write_text(json.dumps(record | fields))


class Made:
    """A project whose files were made one after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = 1_000_000.0

    def write(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def make(self, path: str, rule: str, *inputs: str, content: str | None = None, **fields: Any) -> str:
        """A file and the record of the job that made it from `inputs` as they are; returns its path."""
        self.clock += 10
        self.write(path, path if content is None else content)
        os.utime(self.root / path, (self.clock, self.clock))
        hashes = {name: f"sha256:{sha256((self.root / name).read_text())}" for name in inputs}
        known = {"rule": rule, "shellcmd": f"clipn {rule}", "input": sorted(inputs), "input_checksums": hashes}
        times = {"starttime": self.clock - 5, "endtime": self.clock}
        write_record(self.root, path, **known | times | fields)
        return path
