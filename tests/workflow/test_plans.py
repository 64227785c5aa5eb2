"""The rules, as far as they can be seen through without running them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.project import ROOT, Project, succeeded


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def test_lint_finds_the_one_environment_only(project: Project) -> None:
    outcome = project.run("snakemake", "--lint")
    findings = set(re.findall(r"^    \* (.+?)(?: for each rule)?\.?:?$", outcome.text, re.MULTILINE))
    assert findings == {"Specify a conda environment or container"}


PLANNED = {
    # Four backbones under four pools; 46 runs under the four, the six hand-crafted ones under the three that negate.
    "paper": {
        "import_backbone": 4,
        "cache_image_features": 4 * 10,
        "negative_labels": 4 * 3,
        "perturbed_features": 4 * 3,
        "train_clipn": 46,
        "score_run": 4 * 4 + 40 * 4 + 6 * 3,
        "evaluate_run": 4 * 4 + 40 * 4 + 6 * 3,
        "score_figure": 3 * (4 * 2 + 2),
        "similarity_figure": 3 * 2,
        "mistakes_figure": 3 * 2,
        "ablations_figure": 3,
        "published_figure": 1,
    },
    # Two backbones and four runs under two pools, both of which negate.
    "cifar": {
        "import_backbone": 2,
        "cache_image_features": 2 * 5,
        "train_clipn": 4,
        "score_run": 2 * 2 + 4 * 2,
        "score_figure": 2 * (2 * 2 + 1),
    },
}


@pytest.mark.parametrize("study", sorted(path.stem for path in (ROOT / "config/studies").glob("*.yaml")))
def test_every_study_of_the_config_can_be_planned(project: Project, study: str) -> None:
    plan = succeeded(project.run("snakemake", "-n", "all", "--config", f"study={study}")).planned
    assert plan["score_run"] > 1
    assert plan["ood_table"] == 3
    expected = PLANNED.get(study, {})
    assert {rule: plan[rule] for rule in expected} == expected


def planned_with(project: Project, **changes: object) -> Counter[str]:
    return succeeded(project.snakemake("-n", "all", **changes)).planned


def test_mistakes_are_shown_of_a_rule_that_was_asked_for(project: Project) -> None:
    planned = planned_with(project, rules=["ctw"])
    assert planned["mistakes_figure"] == 0
    assert planned["similarity_figure"] == 3


def test_features_of_single_methods_are_made_for_these_methods(project: Project) -> None:
    own = ("perturbed_features", "negative_labels", "score_run", "score_figure")
    for baselines, expected in (
        (["mcm", "odin_perturbed"], (3, 0, 5, 9)),
        (["mcm", "neglabel"], (0, 3, 5, 9)),
        ([], (0, 0, 4, 9)),
    ):
        planned = planned_with(project, baselines=baselines)
        assert tuple(planned[rule] for rule in own) == expected


def test_every_rule_says_what_it_needs() -> None:
    """Each rule with a command has log, benchmark and resources, and says its threads if they are more than one."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *(?=(?:use )?rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            if "shell:" in rule:
                assert [word for word in ("log:", "benchmark:", "resources:") if word not in rule] == []
                found = re.search(
                    r"\*\*job_resources\(\s*(?:mem_mb=)?\d+(?:,\s*(?:threads=)?(?!cpu_percent)([\w.]+))?", rule
                )
                assert found
                assert ("threads:" in rule) == (found[1] is not None), rule


@pytest.mark.parametrize(
    ("overlay", "complaint"),
    [
        ("demoo: 1", "config/studies/demo.yaml: demoo: unknown key; remove it or correct its spelling"),
        ("captions: {shards: many}", "config/studies/demo.yaml: captions.shards: Input should be a valid integer"),
        ("pairs: {imagenet: [sunn]}", "config/studies/demo.yaml: pairs: 'sunn' is not in the registry"),
        ("prompts: [clip]", "config/studies/demo.yaml: prompts: no pool 'clip'; choose one of clipn128, "),
        ("prompts: [mine.txt]", "config/studies/demo.yaml: prompts: mine.txt: no such file; "),
        ("negative_words: mine.txt", "config/studies/demo.yaml: negative_words: no file mine.txt; correct it, or "),
        ("study: nosuch", "config/studies/nosuch.yaml: no such study; set `study` in config/config.yaml to one of"),
    ],
)
def test_a_wrong_configuration_ends_in_one_line(project: Project, overlay: str, complaint: str) -> None:
    (project.folder / "overlay.yaml").write_text(overlay)
    outcome = project.run("snakemake", "-n", "all", "--configfile", "overlay.yaml")
    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert outcome.errors[0].startswith(f"error: {complaint}")
    assert "Traceback" not in outcome.text
