"""Reasons are printed with what comes first, jobs alike together."""

import json

import pytest

from clipn.provenance.why import Reason, as_mapping, text
from clipn.study.snakemake import PlannedJob

TABLE = "results/tables/imagenet_ood.csv"
EPOCHS = "setting variants.learnable.epochs: 5 -> 10"
LOSSES = "module clipn/losses.py"


def reason(rule: str, output: str, *causes: str, missing: str | None = None, follows: str | None = None) -> Reason:
    """A reason to run a job with one output and its history."""
    outputs = [f"{output}.csv", f"{output}.safetensors"]
    lacking, rebuilt = ([path] if path else [] for path in (missing, follows))
    job = PlannedJob(rule, outputs, [], missing=lacking, follows=rebuilt)
    return Reason(job, list(causes), can_be_accepted=not missing)


TRAINED = reason("train_clipn", "seed1", EPOCHS, LOSSES)
SCORED = reason("score_run", "scores1", follows="seed1.safetensors")


def test_up_to_date() -> None:
    assert text(TABLE, []) == f"{TABLE}: up to date"
    assert as_mapping(TABLE, []) == {"target": TABLE, "jobs": []}


def test_one_job() -> None:
    assert text(TABLE, [TRAINED]).splitlines() == [
        f"{TABLE}: would be rebuilt, 1 job",
        "  train_clipn  seed1.csv",
        f"      {EPOCHS}",
        f"      {LOSSES}",
    ]


def test_jobs_of_one_rule_with_the_same_causes_are_one_line() -> None:
    alike = [reason("train_clipn", f"seed{seed}", EPOCHS) for seed in (1, 2, 3)]
    assert text("all", alike).splitlines() == [
        "all: would be rebuilt, 3 jobs",
        "  train_clipn  seed1.csv and 2 more like it",
        f"      {EPOCHS}",
    ]


@pytest.mark.parametrize(
    "other", [reason("train_clipn", "seed2", LOSSES), reason("train_backbone", "seed2", EPOCHS, LOSSES)]
)
def test_jobs_of_another_rule_or_with_other_causes_are_apart(other: Reason) -> None:
    assert text("all", [TRAINED, other]).splitlines() == [
        "all: would be rebuilt, 2 jobs",
        "  train_clipn  seed1.csv",
        f"      {EPOCHS}",
        f"      {LOSSES}",
        f"  {other.job.rule}  seed2.csv",
        *(f"      {cause}" for cause in other.causes),
    ]


def absent(rule: str, path: str) -> Reason:
    return reason(rule, path, f"not here: {path}.safetensors", missing=f"{path}.safetensors", follows="shards")


def test_what_is_not_here_is_one_line() -> None:
    assert text("all", [absent("train_clipn", "a")]).splitlines()[1:] == [
        "  not here, and needed: a.safetensors, by train_clipn"
    ]
    several = [absent("train_clipn", "a"), absent("train_clipn", "b"), absent("score_run", "c"), SCORED]
    assert text("all", several).splitlines() == [
        "all: would be rebuilt, 4 jobs",
        "  not here, and needed: a.safetensors and 2 more, by train_clipn (2), score_run",
        "  because of these: score_run",
    ]


def test_a_change_goes_before_what_is_not_here() -> None:
    both = reason("train_clipn", "seed1", "not here: seed1.safetensors", EPOCHS, missing="seed1.safetensors")
    assert text("all", [absent("build_shards", "0"), both]).splitlines() == [
        "all: would be rebuilt, 2 jobs",
        "  train_clipn  seed1.csv",
        f"      {EPOCHS}",
        "  not here, and needed: 0.safetensors, by build_shards",
    ]


def test_what_follows_comes_last_with_its_number() -> None:
    table = reason("ood_table", "table", follows="scores1.csv")
    assert text(TABLE, [TRAINED, SCORED, table, SCORED]).splitlines() == [
        f"{TABLE}: would be rebuilt, 4 jobs",
        "  train_clipn  seed1.csv",
        f"      {EPOCHS}",
        f"      {LOSSES}",
        "  because of these: score_run (2), ood_table",
    ]


def test_a_job_that_follows_and_changed_itself_is_told_by_its_causes() -> None:
    both = reason("score_run", "scores1", LOSSES, follows="seed1.safetensors")
    assert text("all", [TRAINED, both]).splitlines()[-2:] == ["  score_run  scores1.csv", f"      {LOSSES}"]


def test_the_same_as_json() -> None:
    found = as_mapping(TABLE, [TRAINED, SCORED])
    assert json.loads(json.dumps(found)) == {
        "target": TABLE,
        "jobs": [
            {
                "rule": "train_clipn",
                "outputs": ["seed1.csv", "seed1.safetensors"],
                "causes": [EPOCHS, LOSSES],
                "follows": [],
            },
            {
                "rule": "score_run",
                "outputs": ["scores1.csv", "scores1.safetensors"],
                "causes": [],
                "follows": ["seed1.safetensors"],
            },
        ],
    }
