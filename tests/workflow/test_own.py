"""Studies of one's own: docs/own_study.md from top to bottom, baselines alone, images beside the demo's."""

import shutil
from collections import Counter
from collections.abc import Sequence
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
from tests.helpers.pages import follow
from tests.helpers.project import Project, succeeded
from tests.workflow.test_runs import COLUMNS, STUDY, table

pytestmark = pytest.mark.workflow

HOME = "results/studies/figures"
TABLE = "results/tables/figures_ood.csv"
CONFIG = "config/config.yaml"
BENCHMARKS = {f"{name}_ood.csv" for name in ("imagenet", "cifar10", "cifar100")}
NO = "weights/no.safetensors"


# What docs/own_study.md makes


@pytest.fixture(scope="module")
def followed(pulled: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout of the demo, in which every command of the page was typed; tests do not change it."""
    return Checkout(
        made_once(tmp_path_factory, "own_study", lambda to: follow("docs/own_study.md", pulled.copied_to(to)))
    )


def test_another_study_loses_and_rebuilds_nothing(followed: Checkout, pulled: Checkout, tmp_path: Path) -> None:
    short = "results/tables/cifar10_ood.csv"
    before = pulled.hashes("results/**/*")
    assert followed.hashes(short) != {short: before[short]}
    back = followed.copied_to(tmp_path / "project")
    assert back.plan() == Counter({"publish_ood_table": 1, "all": 1})
    succeeded(back.run("snakemake", "all"))
    now = back.hashes("results/**/*")
    assert {path: now[path] for path in before} == before
    assert back.plan(short, study="beside") == Counter({"publish_ood_table": 1})
    assert not back.plan()
    # All stages depend on the registries, to which `study new` added.
    for registry in back.folder.glob("config/figures*.yaml"):
        registry.unlink()
    assert "Data and pipelines are up to date." in back.status()


def test_its_tables_are_those_of_the_study_that_was_made_last(followed: Checkout) -> None:
    studies = {name: set(table(followed, name)["study"]) for name in ("figures_ood.csv", *sorted(BENCHMARKS))}
    last, demo = {"beside"}, {"demo"}
    assert list(studies.values()) == [last, demo, last, demo]
    assert set(table(followed, "figures_ood.csv")["ood"]) == {"stripes", "sun", "textures", "average"}


def test_a_study_with_a_checkpoint_imports_it_and_trains_nothing(followed: Checkout) -> None:
    planned = followed.plan(TABLE, study="figures_no")
    assert planned["import_backbone"] == planned["import_checkpoint"] == planned["score_runs"] == 1
    assert not {"train_clipn", "train_backbone", "generate_demo"} & planned.keys()


@pytest.fixture(scope="module")
def made(followed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All of its study of baselines alone, which is active."""
    once = made_once(tmp_path_factory, "own_made", lambda folder: make_all(followed.copied_to(folder)))
    return Project(once).copied_to(tmp_path_factory.mktemp("made") / "project")


def make_all(project: Project) -> None:
    (project.folder / CONFIG).write_text("study: figures\n")
    succeeded(project.run("snakemake", "--cores", "8", "all"))


def test_the_table_of_an_own_id_dataset_has_the_form_of_the_others(made: Project) -> None:
    rows = table(made, "figures_ood.csv")
    assert list(rows.columns) == COLUMNS
    assert set(rows["study"]) == {"figures"}
    assert Counter(rows["ood"]) == {"stripes": 7, "average": 7}
    assert set(rows["id"]) == {"figures"}
    assert {path.name for path in made.folder.glob(f"{HOME}/tables/own_id/*")} == {
        f"figures_ood.{ending}" for ending in ("csv", "md", "tex", "json")
    }


def test_tables_of_the_papers_id_datasets_have_a_header_alone(made: Project) -> None:
    assert {path.name for path in made.folder.glob("results/tables/*_ood.csv")} == BENCHMARKS | {"figures_ood.csv"}
    assert all(table(made, name).empty for name in BENCHMARKS)


def test_a_study_of_baselines_alone_is_whole(made: Project) -> None:
    assert not made.plan()
    assert table(made, "decisions.csv").empty
    assert table(made, "ablations.csv").empty
    assert table(made, "id_accuracy.csv")[["id", "images"]].values.tolist() == [["figures", 60]]
    figures = {path.stem for path in made.folder.glob("results/figures/*.png")}
    assert figures == {f"figures_{kind}_tiny" for kind in ("scores", "roc", "intervals", "calibration")}
    page = (made.folder / "results/report.html").read_text()
    assert all(words in page for words in ("ROC curves with figures as the positive class", "No run of this study has"))
    assert "own_ood_table" in succeeded(made.clipn("study", "plan", "figures")).text


def test_scores_name_the_images(made: Project) -> None:
    scores = pd.read_parquet(made.folder / f"{HOME}/scores/tiny/none/clipn128/seed0.parquet")
    names = {f"{path.parent.name}/{path.name}" for path in made.folder.glob("photos/figures/*/*")}
    assert set(scores.loc[scores["dataset"] == "figures", "path"]) == names


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
    assert project.plan(study="figures")["own_ood_table"] == 0
    assert project.plan(TABLE, study="figures") == Counter({"publish_ood_table": 1})


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


# Images beside the demo's, and weights of one's own


def photograph(folder: Path, concepts: Sequence[str], each: int) -> None:
    """Pictures of the demo's world, numbered through."""
    draw = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for number, concept in enumerate([*concepts] * each):
        picture = render(imagine(concept, draw), draw, 48)
        PIL.Image.fromarray(picture).save(folder / f"{folder.name}_{number}.png")


@pytest.fixture(scope="module")
def beside(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """ID datasets of the demo and of one's own, with and without labels, and a checkpoint that was trained before."""
    once = made_once(tmp_path_factory, "own_beside", lambda folder: make_study_beside(finished.copied_to(folder)))
    return Project(once).copied_to(tmp_path_factory.mktemp("beside") / "project")


def make_study_beside(project: Project) -> None:
    photograph(project.folder / "photos/unlabelled", CONCEPTS["cifar10"][:3], each=4)
    photograph(project.folder / "photos/food", CONCEPTS["sun"], each=2)
    (project.folder / "weights").mkdir()
    shutil.copy(project.folder / f"{STUDY}/backbones/tiny.safetensors", project.folder / "weights")
    shutil.copy(project.folder / f"{STUDY}/runs/tiny/learnable/seed2.safetensors", project.folder / NO)
    for name in ("food", "unlabelled"):
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
        "variants": {"given": {"checkpoints": {1: NO}}},
        "runs": [{"backbone": "tiny", "variant": "given", "seeds": [1]}],
        "pairs": {"unlabelled": ["food", "sun"], "textures": ["food"]},
        "baselines": ["msp", "odin_perturbed"],
        "prompts": ["single"],
        "resamples": 20,
        "threads": 1,
    }
    (project.folder / "config/studies/beside.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    targets = ["own_ood", "results/tables/id_accuracy.csv", "results/studies/beside/figures/unlabelled_roc_tiny.png"]
    succeeded(project.run("snakemake", "--cores", "8", *targets, "--config", "study=beside"))


def test_images_beside_the_demos_are_of_their_own_registry(beside: Project) -> None:
    rows = table(beside, "unlabelled_ood.csv")
    assert set(rows["ood"]) == {"food", "sun", "average"}
    assert set(rows["method"]) == {"msp", "odin_perturbed", "ctw", "atd"}
    assert set(table(beside, "textures_ood.csv")["ood"]) == {"food", "average"}
    verified = "results/studies/beside/datasets/food/manifest.parquet"
    assert "mirror/datasets.yaml" not in succeeded(beside.clipn("trace", verified, "--all")).text


def test_an_unlabelled_id_dataset_has_no_accuracy(beside: Project) -> None:
    rows = table(beside, "id_accuracy.csv").set_index("id")
    assert rows.loc["unlabelled", ["top1", "images"]].tolist() == ["", 0]
    assert rows.loc["textures", "images"] == 20
    assert float(rows.loc["textures", "top1"]) >= 0
    printed = (beside.folder / "results/tables/id_accuracy.md").read_text()
    assert "| unlabelled | tiny | single |  |" in printed


def test_a_checkpoint_that_was_trained_here_stays_what_it_was(beside: Project) -> None:
    before = read_tensors(beside.folder / NO)
    after = read_tensors(beside.folder / "results/studies/beside/runs/tiny/given/seed1.safetensors")
    assert before.keys() == after.keys()
    assert all(bool((after[name] == tensor).all()) for name, tensor in before.items())
