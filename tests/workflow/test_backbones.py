"""Several backbones: what changes of one of them leaves the scores of the others as they are."""

import sys
from pathlib import Path

import pytest

from benchmarks.scaling import FILES, write_project
from tests.helpers.project import Project, succeeded

pytestmark = pytest.mark.workflow

ONE, OTHER = "backbone0", "backbone1"
SCORES = "results/studies/large/scores"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished study of two backbones, whose files hold their own paths."""
    made = Project(tmp_path_factory.mktemp("backbones"))
    write_project(made.folder, backbones=2, seeds=1, shards=1)
    succeeded(made.run(sys.executable, "-c", FILES))
    succeeded(made.clipn("accept", "all"))
    return made


def runs(seeds: dict[str, list[int]]) -> list[dict[str, object]]:
    return [{"backbone": name, "variant": "learnable", "seeds": numbers} for name, numbers in seeds.items()]


def scored(project: Project, **changes: object) -> dict[str, set[str]]:
    """Outputs of the jobs that would score, by backbone."""
    with project.planned(**changes) as plan:
        jobs = [{*job.outputs} for job in plan.jobs if job.rule.startswith("score_runs")]
    return {Path(min(outputs)).relative_to(SCORES).parts[0]: outputs for outputs in jobs}


def test_a_run_of_one_backbone_more_or_less_scores_that_backbone_alone(project: Project) -> None:
    assert scored(project) == {}
    names = ("none/clipn128/seed0", "learnable/clipn128/seed1", "learnable/clipn128/seed2")
    files = {f"{SCORES}/{OTHER}/{name}.parquet" for name in names}
    assert scored(project, runs=runs({ONE: [1], OTHER: [1, 2]})) == {OTHER: files}
    assert scored(project, runs=runs({ONE: [1]})) == {OTHER: {f"{SCORES}/{OTHER}/{names[0]}.parquet"}}


def test_a_backbone_more_scores_that_backbone_alone(project: Project) -> None:
    more = {"architecture": "ViT-B-32", "pretrained": "backbone0.safetensors"}
    assert scored(project, backbones={"more": more}).keys() == {"more"}


def test_scores_of_others_are_evaluated_with_those_of_their_backbone(project: Project) -> None:
    sets = ["imagenet", *(f"ood{number}" for number in range(9))]
    theirs = {"backbone": OTHER, "higher": "id", "files": {"imagenet": dict.fromkeys(sets, "theirs.csv")}}
    (project.folder / "theirs.csv").touch()
    with project.planned(imported={"theirs": theirs}) as plan:
        assert {plan.counts[rule] for rule in ("import_scores", "evaluate_runs")} == {1}
        (job,) = (job for job in plan.jobs if job.rule.startswith("evaluate_runs"))
    assert f"{SCORES}/{OTHER}/none/imported/seed0.parquet" in job.inputs
    assert {Path(path).relative_to(SCORES).parts[0] for path in job.inputs} == {OTHER}


def test_a_backbone_of_which_nothing_is_scored_has_no_job(project: Project) -> None:
    changes = {"baselines": [], "runs": runs({ONE: [1]})}
    plan = project.plan(**changes)
    assert (plan["score_runs"], plan["evaluate_runs"], plan["id_figures"]) == (1, 1, 3)
