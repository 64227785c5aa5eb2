"""Studies of one's own: from folders to a table in two commands, baselines alone, images beside the demo's."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import yaml

from clipn.demo.world import CONCEPTS, imagine, render
from clipn.model.tensors import read_tensors
from tests.conftest import made_once
from tests.helpers.checkout import Checkout
from tests.helpers.project import Project, succeeded
from tests.workflow.test_runs import COLUMNS, table

pytestmark = pytest.mark.workflow

HOME = "results/studies/mine"
TABLE = "results/tables/pets_ood.csv"
STUDY, CONFIG = "config/studies/mine.yaml", "config/config.yaml"
BENCHMARKS = {f"{name}_ood.csv" for name in ("imagenet", "cifar10", "cifar100")}


def photograph(folder: Path, concepts: list[str], each: int) -> None:
    """Pictures of the demo's world, numbered through."""
    draw = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for number, concept in enumerate(concepts * each):
        picture = render(imagine(concept, draw), draw, 48)
        PIL.Image.fromarray(picture).save(folder / f"{folder.name}_{number}.png")


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished demo, weights of one's own, and photographs: by class, and of no class."""
    project = finished.copied_to(tmp_path_factory.mktemp("own") / "project")
    for concept in CONCEPTS["cifar10"][:3]:
        photograph(project.folder / "photos/pets" / concept, [concept], each=4)
    photograph(project.folder / "photos/food", list(CONCEPTS["sun"]), each=2)
    (project.folder / "weights").mkdir()
    demo = project.folder / "results/studies/demo"
    shutil.copy(demo / "backbones/tiny.safetensors", project.folder / "weights")
    shutil.copy(demo / "runs/tiny/learnable/seed2.safetensors", project.folder / "weights/no.safetensors")
    return project


@pytest.fixture(scope="module")
def made(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study of the photographs, written by one command; its table, made by another; then all of it, and active."""
    once = made_once(tmp_path_factory, "own_made", lambda folder: make_study(project.copied_to(folder)))
    return Project(once).copied_to(tmp_path_factory.mktemp("made") / "project")


def make_study(project: Project) -> None:
    asked = ["--id", "photos/pets", "--ood", "photos/food", "--backbone", "weights/tiny.safetensors"]
    said = succeeded(project.clipn("study", "new", "mine", *asked)).text
    command = said.partition("; now: ")[2].split()
    assert command == ["snakemake", "--cores", "8", TABLE, "--config", "study=mine"]
    succeeded(project.run(*command))
    assert table(project, "pets_ood.csv")["study"].eq("mine").all()
    assert (project.folder / "results/tables/imagenet_ood.csv").read_text().splitlines()[1].startswith("demo,")
    (project.folder / CONFIG).write_text("study: mine\n")
    succeeded(project.run("snakemake", "--cores", "8", "all"))


def test_the_table_of_an_own_id_dataset_has_the_form_of_the_others(made: Project) -> None:
    rows = table(made, "pets_ood.csv")
    assert list(rows.columns) == COLUMNS
    assert Counter(rows["ood"]) == {"food": 7, "average": 7}
    assert set(rows["id"]) == {"pets"}
    assert {path.name for path in made.folder.glob(f"{HOME}/tables/own_id/*")} == {
        f"pets_ood.{ending}" for ending in ("csv", "md", "tex", "json")
    }


def test_tables_of_the_papers_id_datasets_have_a_header_alone(made: Project) -> None:
    assert {path.name for path in made.folder.glob("results/tables/*_ood.csv")} == BENCHMARKS | {"pets_ood.csv"}
    assert all(table(made, name).empty for name in BENCHMARKS)


def test_a_study_of_baselines_alone_is_whole(made: Project) -> None:
    assert not made.plan()
    assert table(made, "decisions.csv").empty
    assert table(made, "ablations.csv").empty
    assert table(made, "id_accuracy.csv")[["id", "images"]].values.tolist() == [["pets", 12]]
    figures = {path.stem for path in made.folder.glob("results/figures/*.png")}
    assert figures == {f"pets_{kind}_tiny" for kind in ("scores", "roc", "intervals")}
    page = (made.folder / "results/report.html").read_text()
    assert all(words in page for words in ("ROC curves with pets as the positive class", "No run of this study has a"))
    assert "own_ood_table" in succeeded(made.clipn("study", "plan", "mine")).text


def test_scores_name_the_images(made: Project) -> None:
    scores = pd.read_parquet(made.folder / f"{HOME}/scores/tiny/none/clipn128/seed0.parquet")
    names = {f"{path.parent.name}/{path.name}" for path in made.folder.glob("photos/pets/*/*")}
    assert set(scores.loc[scores["dataset"] == "pets", "path"]) == names


def test_a_copy_that_was_edited_is_noticed(made: Project) -> None:
    with made.edited(TABLE, "prettier,figures\n"):
        (error,) = made.clipn("why", "all").errors
    assert error == f"error: {TABLE}: not as made; what is removed is rebuilt"
    assert not made.plan()


def test_another_study_does_not_keep_the_table(made: Project, tmp_path: Path) -> None:
    project = made.copied_to(tmp_path / "project")
    (project.folder / CONFIG).write_text("study: demo\n")
    succeeded(project.run("snakemake", "all"))
    assert {path.name for path in project.folder.glob("results/tables/*_ood.csv")} == BENCHMARKS
    assert not project.plan()
    assert project.plan(study="mine")["own_ood_table"] == 0
    assert project.plan(TABLE, study="mine") == Counter({"publish_ood_table": 1})


def test_own_tables_travel_with_dvc(made: Project, tmp_path: Path) -> None:
    origin = Checkout.record(made, tmp_path / "origin", tmp_path / "remote")
    clone = origin.clone(tmp_path / "clone", "own_ood")
    tables = clone.hashes(f"{HOME}/tables/**/*")
    assert tables == made.hashes(f"{HOME}/tables/own_id/*")
    assert clone.plan(TABLE) == Counter({"publish_ood_table": 1})
    succeeded(clone.run("snakemake", TABLE))
    assert clone.hashes(TABLE) == made.hashes(TABLE)
    assert f"{HOME}/scores/tiny/none/clipn128/seed0.parquet" in succeeded(clone.clipn("trace", TABLE, "--all")).text
    clone.dvc("pull")
    assert not clone.plan()
    assert "up to date" in clone.status()
    clone.dvc("repro")
    succeeded(clone.run("git", "diff", "--exit-code", "dvc.lock"))


# Images beside the demo's


@pytest.fixture(scope="module")
def beside(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """ID datasets of the demo and of one's own, with and without labels, and a checkpoint that was trained before."""
    once = made_once(tmp_path_factory, "own_beside", lambda folder: make_study_beside(project.copied_to(folder)))
    return Project(once).copied_to(tmp_path_factory.mktemp("beside") / "project")


def make_study_beside(project: Project) -> None:
    (project.folder / "photos/unlabelled").mkdir()
    for path in project.folder.glob("photos/pets/*/*"):
        shutil.copy(path, project.folder / "photos/unlabelled")
    for name in ("pets", "food", "unlabelled"):
        command = ("data", "add", name, f"photos/{name}", "--registry", "config/photos.yaml")
        succeeded(project.clipn(*command))
    registry = project.folder / "config/photos.yaml"
    content = yaml.safe_load(registry.read_text())
    content["datasets"]["unlabelled"]["classes"] = list(CONCEPTS["cifar10"][:3])
    registry.write_text(yaml.safe_dump(content, sort_keys=False))
    backbone = {"architecture": "config/architectures/tiny.json", "pretrained": "weights/tiny.safetensors"}
    study = {
        "demo": {"captions": 40, "images": 20},
        "registry": "config/photos.yaml",
        "backbones": {"tiny": backbone},
        "variants": {"given": {"checkpoints": {1: "weights/no.safetensors"}}},
        "runs": [{"backbone": "tiny", "variant": "given", "seeds": [1]}],
        "pairs": {"unlabelled": ["food", "sun"], "textures": ["pets"]},
        "baselines": ["msp", "odin_perturbed"],
        "prompts": ["single"],
        "resamples": 20,
    }
    (project.folder / "config/studies/beside.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    targets = ["own_ood", "results/tables/id_accuracy.csv", "results/studies/beside/figures/unlabelled_roc_tiny.png"]
    succeeded(project.run("snakemake", "--cores", "8", *targets, "--config", "study=beside"))


def test_images_beside_the_demos_are_of_their_own_registry(beside: Project) -> None:
    rows = table(beside, "unlabelled_ood.csv")
    assert set(rows["ood"]) == {"food", "sun", "average"}
    assert set(rows["method"]) == {"msp", "odin_perturbed", "ctw", "atd"}
    assert set(table(beside, "textures_ood.csv")["ood"]) == {"pets", "average"}
    verified = "results/studies/beside/datasets/pets/manifest.parquet"
    assert "mirror/datasets.yaml" not in succeeded(beside.clipn("trace", verified, "--all")).text


def test_an_unlabelled_id_dataset_has_no_accuracy(beside: Project) -> None:
    rows = table(beside, "id_accuracy.csv").set_index("id")
    assert rows.loc["unlabelled", ["top1", "images"]].tolist() == ["", 0]
    assert rows.loc["textures", "images"] == 20
    assert float(rows.loc["textures", "top1"]) >= 0
    printed = (beside.folder / "results/tables/id_accuracy.md").read_text()
    assert "| unlabelled | tiny | single |  |" in printed


def test_a_checkpoint_that_was_trained_here_stays_what_it_was(beside: Project) -> None:
    before = read_tensors(beside.folder / "weights/no.safetensors")
    after = read_tensors(beside.folder / "results/studies/beside/runs/tiny/given/seed1.safetensors")
    assert before.keys() == after.keys()
    assert all(bool((after[name] == tensor).all()) for name, tensor in before.items())
