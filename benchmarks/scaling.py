"""What plans of large studies cost, and what it costs to find out that nothing of a finished one is to be done.

A study is generated for every size: some backbones, three ID datasets and nine OOD datasets, every method, one variant
with some seeds. Nothing of it is computed: files that hold their own paths stand for results, and `clipn accept`
vouches for them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import typer
import yaml

from clipn.scores import RULES, SCORES
from clipn.study.config import ID_DATASETS

ROOT = Path(__file__).parents[1]
FOLDERS = ("workflow", "config", "clipn", "snakemake_logger_plugin_clipn")
STUDY = "large"
OOD_DATASETS = 9
WORDS = "words.txt"
SHARDS = 332
"""As many as the paper had of CC3M."""
FEW_SHARDS = 4
LARGE = 10**9
"""Bytes of an archive, so that its dataset is encoded in a job of its own."""
ARCHITECTURE = "ViT-B-32"
PLANNED = (1, 5, 10, 25, 50)
FINISHED = (8, 32, 128, 704)
"""Backbones; the last has 100,000 files and takes most of the time, some 1,100 CPU seconds."""
SEEDS = 5
FILES = """
from pathlib import Path
from clipn.study.data import StudyData
from clipn.study.figures import figure_names
from clipn.study.loading import load_study
from clipn.study.paths import StudyPaths
from clipn.study.targets import all_files
paths = StudyPaths(load_study(), StudyData(load_study()))
files = all_files(paths, figure_names(paths.study, ()))
for file in map(Path, files):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(file))
print(len(files))
"""
"""A program that makes up all files of the active study."""


class Cost(NamedTuple):
    """What a command took: seconds of the clock and of the processors, and bytes of memory at most."""

    seconds: float
    cpu: float
    peak: int
    output: str


def write_project(folder: Path, backbones: int, seeds: int, shards: int) -> None:
    """Copy what a run needs of this project into a folder, and give it a study of its own."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    config, ood = folder / "config", [f"ood{number}" for number in range(OOD_DATASETS)]
    names = [f"backbone{number}" for number in range(backbones)]
    records: dict[str, Any] = {
        name: {"title": name, "reader": "folders", "classes": [f"{name} {n}" for n in range(10)]}
        for name in ID_DATASETS
    }
    records |= {name: {"title": name, "reader": "flat"} for name in ood}
    for name, record in records.items():
        record["archives"] = [{"file": f"{name}.tar", "addresses": [f"https://localhost/{name}.tar"], "bytes": LARGE}]
    captions = {
        "title": "captions",
        "reader": "webdataset",
        "images": [{"file": f"captions-{{000..{shards - 1:03}}}.tar"}],
    }
    archive = {"file": WORDS, "addresses": ["https://localhost/words"], "sha256": hashlib.sha256(b"").hexdigest()}
    words = {"title": "words", "archive": archive, "source": "nobody"}
    registry = {"datasets": records, "captions": {"captions": captions}, "words": {"words": words}}
    _write(config / "large.yaml", registry)
    study = {
        "registry": "config/large.yaml",
        "captions": {"sources": ["captions"], "shards": shards},
        "backbones": {name: {"architecture": ARCHITECTURE, "pretrained": f"{name}.safetensors"} for name in names},
        "variants": {"learnable": {"epochs": 1}},
        "runs": [{"backbone": name, "variant": "learnable", "seeds": [*range(1, seeds + 1)]} for name in names],
        "pairs": dict.fromkeys(ID_DATASETS, ood),
        "baselines": [name for name, score in SCORES.items() if not score.needs_no],
        "rules": [*RULES],
        "negative_words": "words",
        "envisioned_words": dict.fromkeys(ID_DATASETS, "words"),
    }
    _write(config / "studies" / f"{STUDY}.yaml", study)
    _write(config / "config.yaml", {"study": STUDY})
    for name in names:
        (folder / f"{name}.safetensors").write_text(name)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def cost(folder: Path, *command: str) -> Cost:
    """Run a command in a project.

    Raises:
        RuntimeError: it failed.
    """
    # The memory of this process counts for what it starts, so it imports no torch.
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read().decode()
    if status:
        raise RuntimeError(text)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, 1024 * usage.ru_maxrss, text)


def plans() -> list[str]:
    """Rows of a table: plans of studies of which nothing is made."""
    rows = ["| backbones | shards | jobs | CPU s | MiB |", "| ---: | ---: | ---: | ---: | ---: |"]
    for backbones in PLANNED:
        for shards in (FEW_SHARDS, SHARDS):
            with tempfile.TemporaryDirectory() as folder:
                write_project(Path(folder), backbones, SEEDS, shards)
                plan = cost(Path(folder), "snakemake", "-n", "all")
            jobs = re.search(r"^total +(\d+)$", plan.output, re.MULTILINE)
            assert jobs is not None
            rows.append(f"| {backbones} | {shards} | {int(jobs[1]):,} | {plan.cpu:.1f} | {plan.peak >> 20} |")
    return rows


def finished() -> list[str]:
    """Rows of a table: runs of finished studies, with the size of Snakemake's records."""
    rows = [
        "| backbones | files | records, MiB | `accept all`, CPU s | first run, CPU s | no-op, CPU s | MiB |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for backbones in FINISHED:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_project(folder, backbones, SEEDS, FEW_SHARDS)
            files = int(cost(folder, sys.executable, "-c", FILES).output)
            accepted = cost(folder, "clipn", "accept", "all")
            first, again = (cost(folder, "snakemake", "all") for _ in range(2))
            records = sum(file.stat().st_size for file in folder.glob(".snakemake/metadata/**/*")) >> 20
        seconds = " | ".join(f"{one.cpu:.1f}" for one in (accepted, first, again))
        rows.append(f"| {backbones} | {files:,} | {records} | {seconds} | {again.peak >> 20} |")
    return rows


def main() -> None:
    """Print both tables."""
    for line in (*plans(), "", *finished()):
        print(line)


if __name__ == "__main__":
    typer.run(main)
