"""Methods that adapt on the test stream, in the whole DAG: a table of their own, and nothing else."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.helpers.project import Project, succeeded
from tests.workflow.test_runs import PAGE, STREAMS

pytestmark = pytest.mark.workflow

HOME = "results/studies/demo"
TEST_TIME = {"methods": ["adaneg"], "stream": {"seeds": [1, 2], "batch": 16}}
MADE = STREAMS + Counter({"publish_tables": 1})


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished demo whose study names other streams; nothing of them is made."""
    copy = finished.copied_to(tmp_path_factory.mktemp("streams") / "project")
    path = copy.folder / "config/studies/demo.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"test_time": TEST_TIME}, sort_keys=False))
    return copy


def test_a_study_without_such_methods_measures_no_stream(finished: Project) -> None:
    assert finished.plan(f"{HOME}/tables/test_time.csv", test_time=None) == Counter({"streams_table": 1})


def test_the_table_is_made_and_nothing_else_changes(project: Project) -> None:
    kinds = ("scores/**/*", "metrics/tiny/**/*", "tables/**/*", "figures/*", "summary/*")
    before = {path: found for kind in kinds for path, found in project.hashes(f"{HOME}/{kind}").items()}
    assert project.plan() == MADE + PAGE
    succeeded(project.run("snakemake", "--cores", "2", "results/tables/test_time.csv"))
    table = pd.read_csv(project.folder / "results/tables/test_time.csv", keep_default_na=False)
    assert set(zip(table["method"], table["batch"], table["mix"], strict=True)) == {("adaneg", 16, "shuffled")}
    assert set(table["order_seed"]) == {"1", "2", "all"}
    assert set(table["ood"]) > {"average", "sun"}
    after = {path: found for kind in kinds for path, found in project.hashes(f"{HOME}/{kind}").items()}
    changed = {Path(path).name for path in before if after[path] != before[path]}
    assert after.keys() == before.keys()
    assert changed == {f"test_time.{ending}" for ending in ("csv", "md", "tex")}


def test_another_order_or_batch_measures_again_and_scores_nothing(project: Project) -> None:
    succeeded(project.run("snakemake", "--cores", "2", "results/tables/test_time.csv"))
    table = f"{HOME}/tables/test_time.csv"
    for stream in ({"seeds": [3]}, {"batch": 8}):
        changed = TEST_TIME | {"stream": TEST_TIME["stream"] | stream}
        assert project.plan(table, test_time=changed) == STREAMS
    assert project.plan(table) == Counter()
