"""A study that extends another shares its data, backbone, features and runs, and re-makes none of them."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from clipn.provenance.stages import load_stages
from tests.helpers.project import Project, succeeded
from tests.workflow.test_runs import FROM_METRICS, SCORED, STREAMS

pytestmark = pytest.mark.workflow

CONFIG, STUDY = "config/config.yaml", "config/studies/ablations.yaml"
OWN = Counter({"train_clipn": 1, "encode_classes": 1, "training_figure": 1}) + SCORED + STREAMS
TABLES = ["results/tables/imagenet_ood.csv", "results/tables/ablations.csv"]
FIGURES = ["results/studies/ablations/figures/imagenet_ablations.png"]
SHORT = Counter({"publish_ood_table": 1, "publish_tables": 1, "all": 1})


def reduce(project: Project) -> None:
    """One ablation, trained as the runs of the reduced demo are."""
    path = project.folder / STUDY
    study = yaml.safe_load(path.read_text())
    study["variants"] = {"tso_only": study["variants"]["tso_only"] | {"epochs": 1, "batch_size": 64}}
    study["runs"] = [run for run in study["runs"] if run["variant"] in ("learnable", "tso_only")]
    path.write_text(yaml.safe_dump(study | {"ablations": ["tso_only"]}, sort_keys=False))


def activate(project: Project, study: str) -> None:
    (project.folder / CONFIG).write_text(f"study: {study}\n")


@pytest.fixture(scope="module")
def extended(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished demo, in which tables and a figure of its ablations were made; the ablations are active."""
    project = finished.copied_to(tmp_path_factory.mktemp("ablations") / "project")
    reduce(project)
    assert not project.plan()
    activate(project, "ablations")
    assert project.plan() == OWN
    succeeded(project.run("snakemake", "--cores", "8", *TABLES, *FIGURES))
    return project


def test_only_its_own_jobs_are_left(extended: Project) -> None:
    made = Counter({"ood_table": 1, "tables": 1, "ablations_figure": 1, "publish_ood_table": 1, "publish_tables": 1})
    published = Counter({"published_table": 1})  # one of the tables that are copied together
    left = FROM_METRICS + Counter({"training_figure": 1}) - made - published
    assert extended.plan() == left
    assert extended.plan(study="demo") == SHORT


def test_nothing_of_the_other_study_is_made_again(extended: Project, finished: Project) -> None:
    # The records follow the copies at the short paths, which are now those of the ablations.
    shared = "results/studies/demo/[!p]*/**/*"
    assert extended.hashes(shared) == finished.hashes(shared)
    folders = {path.name for path in extended.folder.glob("results/studies/ablations/runs/tiny/*")}
    assert folders == {"tso_only"}
    names = {line.split(",")[0] for line in (extended.folder / TABLES[1]).read_text().splitlines()[1:]}
    assert names == {"ablations"}


def test_each_study_has_the_record_files_of_what_it_made(extended: Project) -> None:
    for study, unmade in (("demo", set()), ("ablations", {"cifar10_ood", "cifar100_ood"})):
        stages = load_stages(extended.folder, study)
        assert {stage.name for stage in stages if not (extended.folder / stage.records).exists()} == unmade
    assert (extended.folder / "results/studies/ablations/provenance/data.jsonl").read_text() == ""
    trace = succeeded(extended.clipn("trace", TABLES[1], "--all")).text
    assert "results/studies/demo/archives/mirror/datasets.yaml" in trace
    assert "no faults" in trace


def test_the_way_back_copies_tables_and_nothing_else(extended: Project, finished: Project, tmp_path: Path) -> None:
    project = extended.copied_to(tmp_path / "project")
    activate(project, "demo")
    assert project.plan() == SHORT
    succeeded(project.run("snakemake", "all"))
    before, now = finished.hashes("results/**/*"), project.hashes("results/**/*")
    assert {path: now[path] for path in before} == before
    assert not project.plan()


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A project in which nothing was made."""
    project = Project.create_reduced(tmp_path / "project")
    reduce(project)
    return project


def test_from_nothing_it_makes_what_it_shares_and_no_other_run(fresh: Project) -> None:
    demo = fresh.plan()
    assert demo["train_clipn"] == 4
    # Of the demo's trainings the shared one, and its own.
    assert fresh.plan(study="ablations") == demo - Counter({"train_clipn": 2, "average_runs": 1})


def test_a_run_that_is_not_there_cannot_be_shared(fresh: Project) -> None:
    path = fresh.folder / STUDY
    study = yaml.safe_load(path.read_text())
    study["runs"][0]["seeds"] = [9]
    path.write_text(yaml.safe_dump(study))
    outcome = fresh.clipn("why", "all", "--study", "ablations")
    assert outcome.status == 1
    assert outcome.text.startswith("error: config/studies/ablations.yaml: runs: demo has no run tiny/learnable/seed9")
