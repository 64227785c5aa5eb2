"""A run that is killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from clipn.provenance.records import incomplete_outputs, read_records
from tests.helpers.project import Project, succeeded
from tests.workflow.test_runs import STUDY

pytestmark = pytest.mark.workflow

KILLED = ["data", f"{STUDY}/backbones/tiny.safetensors"]


def test_a_killed_run_goes_on_where_it_was_and_ends_in_the_same_bytes(finished: Project, tmp_path: Path) -> None:
    """In another folder, and on one core."""
    project = Project.create_reduced(tmp_path / "killed")
    jobs = sum(project.plan(*KILLED).values())
    done = run_and_kill(project, after=jobs - 8)
    assert "--unlock" in project.run("snakemake", *KILLED).text
    succeeded(project.run("snakemake", "--unlock"))
    made = read_records(project.folder).keys() - incomplete_outputs(project.folder)
    planned = json.loads(succeeded(project.clipn("why", *KILLED, "--json")).text)["jobs"]
    assert len(planned) <= jobs - done
    assert made.isdisjoint(path for job in planned for path in job["outputs"])
    succeeded(project.run("snakemake", "--cores", "1", *KILLED))
    # A kill may leave a hidden part of a file behind, which DVC passes over.
    ours, theirs = (one.hashes("results/**/[!.]*") for one in (project, finished))
    del ours[f"{STUDY}/provenance/models.jsonl"]  # which tells of no runs
    assert ours.items() <= theirs.items()


def run_and_kill(project: Project, after: int) -> int:
    """Start a run, kill all processes when some jobs are done; returns how many were."""
    command = ["snakemake", "--cores", "8", *KILLED]
    with subprocess.Popen(
        command, cwd=project.folder, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout
        finished = (line for line in process.stdout if line.startswith("["))
        for _ in range(after):
            assert next(finished, None), "the run ended too early"
        os.killpg(process.pid, signal.SIGKILL)
        return after + sum(1 for _ in finished)
