"""Scores of others beside our own, in the whole DAG: ours under another name get the numbers that they had."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.helpers.project import Project, succeeded

pytestmark = pytest.mark.workflow

STUDY = Path("results/studies/demo")
SCORES = STUDY / "scores/tiny/none/single/seed0.parquet"
ID = "cifar10"


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished demo with MCM's scores as those of somebody: negated, and some of them in another order with names."""
    copy = finished.copied_to(tmp_path_factory.mktemp("imported") / "project")
    scores = pd.read_parquet(copy.folder / SCORES)
    for number, (dataset, part) in enumerate(scores[scores["id"] == ID].groupby("dataset", sort=False)):
        theirs = pd.DataFrame({"neg_mcm": -part["mcm"]})
        if number % 2:
            theirs = theirs.assign(file=part["path"]).sample(frac=1, random_state=0)
        theirs.to_csv(copy.folder / f"{dataset}.csv", index=False)
    return copy


def test_one_command_enters_them_and_the_next_makes_the_tables(project: Project) -> None:
    files = [f"{path.stem}:{path.name}" for path in sorted(project.folder.glob("*.csv"))]
    settings = ["--id", ID, "--backbone", "tiny", "--higher", "ood", "--column", "neg_mcm"]
    study = project.folder / "config/studies/demo.yaml"
    before = study.read_text()
    said = succeeded(project.clipn("scores", "import", "theirs", *files, *settings))
    assert (
        said.text.splitlines()[-1] == "config/studies/demo.yaml: written; `snakemake all` puts theirs into the tables"
    )
    sets = {file.partition(":")[0]: file.partition(":")[2] for file in files}
    entry = {"backbone": "tiny", "higher": "ood", "column": "neg_mcm", "files": {ID: sets}}
    assert yaml.safe_load(study.read_text()) == yaml.safe_load(before) | {"imported": {"theirs": entry}}
    planned = project.plan()
    assert planned["import_scores"] == planned["evaluate_runs"] == 1
    assert not {"score_runs", "encode_classes", "cache_small_image_features", "train_clipn"} & planned.keys()
    tables = [f"results/tables/{name}.csv" for name in (f"{ID}_ood", "metrics", "differences")]
    succeeded(project.run("snakemake", "--cores", "2", *tables))
    assert project.plan(*tables) == Counter()
    table = pd.read_csv(project.folder / f"results/tables/{ID}_ood.csv")
    ours, theirs = (
        table[(table["method"] == name) & (table["prompts"] == prompts)].set_index("ood")[["auroc", "fpr95"]]
        for name, prompts in (("mcm", "single"), ("theirs", "imported"))
    )
    assert len(theirs) == len(ours) > 1
    pd.testing.assert_frame_equal(theirs, ours)
    intervals = pd.read_csv(project.folder / "results/tables/metrics.csv")
    bounds = intervals[(intervals["id"] == ID) & (intervals["measure"] == "auroc")].set_index("method")[["low", "high"]]
    np.testing.assert_array_equal(bounds.loc["theirs"], bounds.loc["mcm"])
    differences = pd.read_csv(project.folder / "results/tables/differences.csv")
    assert {"theirs", "mcm"} <= set(differences.loc[differences["id"] == ID, "method"])
    assert "theirs" in (project.folder / f"results/tables/{ID}_ood.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mcm", "cifar10:cifar10.csv", "--id", ID], "'mcm' is a method of our own; choose another name"),
        (["clean_x", "cifar10:cifar10.csv", "--id", ID], "'clean_x' is a column of score files; choose another name"),
        (
            ["theirs", "cifar100:cifar100.csv", "--id", "cifar100", "--higher", "id"],
            "theirs.higher: is ood; say ood",
        ),
        (["x", "cifar10:cifar10.csv", "--id", ID], "name a file of each of its sets: cifar10, "),
        (["x", "cifar10:none.csv", "--id", ID], "none.csv: no such file"),
        (
            ["x", "imagenet:cifar10.csv", "--id", "imagenet", "--column", "score"],
            "cifar10.csv: has no 'score'; name",
        ),
    ],
)
def test_what_is_refused_leaves_the_study_as_it_was(project: Project, arguments: list[str], message: str) -> None:
    study = project.folder / "config/studies/demo.yaml"
    before = study.read_bytes()
    settings = ["--backbone", "tiny", "--higher", "ood", "--column", "neg_mcm"]
    outcome = project.clipn("scores", "import", *settings, *arguments)
    assert outcome.status == 1
    assert message in outcome.errors[-1]
    assert study.read_bytes() == before
