"""The reduced demo on a real Slurm that is booted for it, as root, where `make test-slurm` has prepared that."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.helpers.project import Project, succeeded
from tests.helpers.slurm import Controller, lacking, running

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.skipif(bool(lacking()), reason=f"needs {lacking()}: `make test-slurm`, as root"),
]
RUN = "results/studies/demo/runs/tiny/learnable/seed1.safetensors"
TRAINING = "rule_train_clipn_wildcards_demo_tiny_learnable_1"
SETTINGS = {"workers": 1, "ablations": [], "variants": {"learnable": {"epochs": 250, "augmentation": "online"}}}
"""A training that decodes beside it, and takes longer than the minute that is the least that Slurm grants."""
# The first job that encodes captions is cancelled while it runs, as by an operator.
CANCELLING = """\
#!/bin/sh
case "$*" in *" features captions "*)
  mkdir {cancelled} 2> /dev/null && scancel "$SLURM_JOB_ID" && exec sleep 60
esac
exec {clipn} "$@"
"""


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with running(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture(scope="module")
def project(controller: Controller, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The reduced demo, made by jobs of Slurm of which one was cancelled."""
    made = Project.create_reduced(tmp_path_factory.mktemp("demo") / "project")
    controller.add("clipn", CANCELLING.format(cancelled=made.folder / "cancelled", clipn=shutil.which("clipn")))
    succeeded(controller.snakemake(made, "all"))
    return made


def test_results_are_those_of_a_local_run(project: Project, finished: Project) -> None:
    for pattern in ("results/tables/*", "results/studies/demo/**/*.csv", "results/studies/demo/**/*.safetensors"):
        local = finished.hashes(pattern)
        assert local
        assert project.hashes(pattern) == local


def test_a_job_that_fails_has_another_attempt(project: Project, controller: Controller) -> None:
    assert controller.states()["rule_cache_caption_features_wildcards_tiny"] == ["CANCELLED", "COMPLETED"]


def test_downloads_and_copies_stay_here_and_what_is_short_is_one_job(project: Project, controller: Controller) -> None:
    states = controller.states()
    assert not [name for name in states if name.startswith(("rule_fetch_", "rule_publish_", "rule_ood_table"))]
    assert [ended for name, ended in states.items() if name.startswith("rule_results_")] == [["COMPLETED"]]


def test_a_training_out_of_time_goes_on_in_its_next_attempt(
    finished: Project, controller: Controller, tmp_path: Path
) -> None:
    here, there = (finished.copied_to(tmp_path / name) for name in ("here", "there"))
    for project in (here, there):
        (project.folder / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS))
    overlay = ["--configfile", "overlay.yaml", "--", RUN]
    a_minute = ["train_clipn:runtime=1", "train_clipn:slurm_extra='--signal=TERM@5'"]
    before = len(controller.states()[TRAINING])
    succeeded(controller.snakemake(there, "--retries", "9", "--set-resources", *a_minute, *overlay))
    *interrupted, last = controller.states()[TRAINING][before:]
    assert interrupted
    assert (set(interrupted), last) == ({"FAILED"}, "COMPLETED")
    # One that began anew would say less after its first ten seconds, as a minute was not enough for the whole.
    log = (there.folder / "logs/demo/train_clipn/tiny/learnable/seed1.log").read_text()
    assert all(int(percent) > 20 for percent in re.findall(r"train: +(\d+)%", log))
    succeeded(here.run("snakemake", "--cores", "2", *overlay))
    assert there.hashes(RUN) == here.hashes(RUN) != finished.hashes(RUN)
