"""The steps of the container, run in a fresh folder, and jobs that Snakemake starts in an image."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.helpers.project import ENVIRONMENT, ROOT, Project, succeeded

pytestmark = pytest.mark.workflow

DOCKERFILE = (ROOT / "Dockerfile").read_text()
APPTAINER = (ROOT / "clipn.def").read_text()
OF_THE_SYSTEM = "apt-get"
"""What installs packages of Debian, which this machine need not be."""
STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo apptainer version 1.3.4; exit; fi
for last in "$@"; do :; done
printf '%s\\n' "$*" >> {log}
exec bash -c "$last"
"""


def steps(instruction: str) -> list[str]:
    """Arguments of an instruction of the Dockerfile, in order."""
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)


def section(name: str) -> list[str]:
    """Lines of a section of the definition for Apptainer."""
    lines = APPTAINER.partition(f"%{name}\n")[2].partition("\n%")[0]
    return [line.strip() for line in lines.splitlines() if line.strip()]


def copied() -> dict[str, str]:
    """What the Dockerfile copies, by its place in the folder of the image."""
    pairs = [line.split() for line in steps("COPY")]
    return {source if target == "." else target: source for *sources, target in pairs for source in sources}


def test_both_containers_are_made_of_the_same_files_by_the_same_commands() -> None:
    (folder, _) = steps("WORKDIR")
    assert f"From: {steps('FROM')[0]}" in APPTAINER
    assert section("files") == [f"{source} {folder}/{target}" for target, source in copied().items()]
    system, *python = steps("RUN")
    assert section("post") == [system, f"cd {folder}", *python]


def test_what_is_copied_is_sent_to_the_builder() -> None:
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert set(copied().values()) == sent


def test_the_steps_of_the_image_make_a_project_that_plans(tmp_path: Path) -> None:
    image, environment = tmp_path / "image", tmp_path / "environment"
    image.mkdir()
    for target, source in copied().items():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, image / target)
    # The locked packages are those of this environment, where pip finds them: to fetch them takes a network and 6 GB.
    # What is not as locked, pip would have to fetch, and may not.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    variables = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    variables |= {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "PIP_NO_INDEX": "1"}

    def run(command: str, folder: Path) -> str:
        return subprocess.run(
            ["sh", "-ec", command], cwd=folder, env=variables, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    for command in steps("RUN"):
        if OF_THE_SYSTEM not in command:
            run(command, image)
    assert "Usage" in run(shlex.join(json.loads(steps("CMD")[0])), tmp_path)
    run("clipn demo project", tmp_path)
    assert "train_clipn" in run("python -m snakemake --dry-run --quiet rules", tmp_path / "project")


def test_jobs_run_in_the_image_where_snakemake_is_told_so(tmp_path: Path) -> None:
    project, programs, log = Project.create_reduced(tmp_path / "project"), tmp_path / "programs", tmp_path / "log"
    programs.mkdir()
    (programs / "apptainer").write_text(STAND_IN.format(log=log))
    (programs / "apptainer").chmod(0o755)
    (project.folder / "clipn.sif").touch()
    target = "results/studies/demo/datasets/cifar10/manifest.parquet"
    path = f"PATH={programs}:{project.environment['PATH']}"
    succeeded(project.run("env", path, "snakemake", "--sdm", "apptainer", "--cores", "1", target))
    jobs = log.read_text()
    assert (project.folder / target).exists()
    assert jobs.count("exec --home ") == jobs.count(" clipn.sif bash -c ") == 3
