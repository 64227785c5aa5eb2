"""A second user pulls a part of what is in the store, and only what is missing is computed, in the same bytes."""

from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.checkout import Checkout
from tests.helpers.project import succeeded
from tests.workflow.test_runs import STUDY

pytestmark = pytest.mark.workflow

TABLE = "results/tables/imagenet_ood.csv"
RECORDS = [f"{STUDY}/provenance/{stage}.jsonl" for stage in ("data", "features")]
TABLE_JOBS = Counter(ood_table=1, publish_ood_table=1)
SCORING_JOBS = Counter(score_runs=1, evaluate_runs=1)


def clone_with(recorded: Checkout, folder: Path, *parts: str) -> Checkout:
    """A clone with the records of two stages, and parts of what they made."""
    return recorded.clone(folder, *RECORDS, *(f"{STUDY}/{part}" for part in parts))


def test_from_metrics_only_the_table_is_made(recorded: Checkout, tmp_path: Path) -> None:
    clone = clone_with(recorded, tmp_path / "clone", "datasets", "metrics")
    assert clone.plan(TABLE) == TABLE_JOBS


def test_from_features_and_classifiers_scores_are_made_too_in_the_same_bytes(
    recorded: Checkout, tmp_path: Path
) -> None:
    clone = clone_with(recorded, tmp_path / "clone", "datasets", "features/tiny", "classifiers/tiny.safetensors")
    assert clone.plan(TABLE) == TABLE_JOBS + SCORING_JOBS
    succeeded(clone.run("snakemake", "--cores", "1", TABLE))
    assert clone.hashes(TABLE) == recorded.hashes(TABLE)


def test_a_fresh_clone_is_told_what_to_type_and_types_it(recorded: Checkout, tmp_path: Path) -> None:
    clone = recorded.clone(tmp_path / "clone", pull=False)
    lines = succeeded(clone.clipn("store", "status")).text.splitlines()
    numbers = {line.split()[0]: line.split()[-3:] for line in lines if line.startswith(("features ", "  tiny "))}
    files = str(len(recorded.hashes(f"{STUDY}/features/**/*")))
    assert numbers["features"] == ["0", files, "0"]
    (command,) = [line for line in lines if line.startswith("dvc pull") and f"{STUDY}/features " in line]
    succeeded(clone.run("sh", "-c", command))
    assert clone.hashes(f"{STUDY}/features/**/*") == recorded.hashes(f"{STUDY}/features/**/*")
    again = succeeded(clone.clipn("store", "status")).text.splitlines()
    assert [line.split()[-3:] for line in again if line.startswith("features ")] == [[files, files, "0"]]
    assert not [line for line in again if f"{STUDY}/features " in line]
