"""Backbones on a locked image tower: from folders of images and captions to a table, the tower encoded once for all."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.files import write_text
from tests.helpers.project import Project, succeeded
from tests.helpers.tiny_dataset import jpeg, write_files
from tests.helpers.tiny_tower import tiny_tower
from tests.workflow.test_runs import table

pytestmark = pytest.mark.workflow

STUDY = "config/studies/towered.yaml"
TABLE = "results/tables/known_ood.csv"
FIGURE = "results/studies/towered/figures/known_intervals_small.seed1.png"
TRAINING = {"lock_images": True, "epochs": 1, "batch_size": 8, "false_negatives": "attract", "threads": 1}
SETTINGS: dict[str, Any] = {
    "registry": "config/mine.yaml",
    "captions": {"sources": ["mine"], "shards": 1},
    "backbones": {
        "small": {
            "architecture": "weights/tower.json",
            "image_tower": "weights/weights.safetensors",
            "seeds": [1, 2],
            "training": TRAINING,
        }
    },
    "baselines": ["mcm"],
    "prompts": ["single"],
    "resamples": 10,
    "threads": 1,
    "pairs": {"known": ["unknown"]},
}
TAUGHT = {
    "variants": {"learnable": {"epochs": 1, "batch_size": 8, "augmentation": "none", "threads": 1}},
    "runs": [{"backbone": "small", "variant": "learnable", "seeds": [1, 2]}],
}
REGISTRY = {
    "datasets": {
        "known": {"title": "Known", "reader": "folders", "folder": "../photos/known"},
        "unknown": {"title": "Unknown", "reader": "flat", "folder": "../photos/unknown"},
    },
    "captions": {"mine": {"title": "Mine", "reader": "table", "folder": "../photos/mine"}},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    shades = range(0, 240, 20)
    names = {f"known/{'dark' if shade < 120 else 'light'}/{shade}.jpg": jpeg(shade) for shade in shades}
    images = names | {f"{folder}/{shade}.jpg": jpeg(shade + 7) for folder in ("unknown", "mine") for shade in shades}
    write_files(made.folder / "photos", images)
    lines = (f"{shade}.jpg,a grey of {shade}" for shade in shades)
    write_text(made.folder / "photos/mine/captions.csv", "\n".join(["image,caption", *lines, ""]))
    (made.folder / "weights").mkdir()
    tiny_tower(made.folder / "weights")
    write_text(made.folder / "config/mine.yaml", yaml.safe_dump(REGISTRY))
    write_text(made.folder / STUDY, yaml.safe_dump(SETTINGS))
    return made


def test_from_folders_to_a_table_whose_rows_are_means_over_the_trainings(project: Project) -> None:
    succeeded(project.run("snakemake", "--cores", "2", TABLE, FIGURE, "--config", "study=towered"))
    rows = table(project, "known_ood.csv")
    assert set(rows["backbone"]) == {"small"}
    assert set(rows["runs"]) == {2}
    assert rows["auroc_sd"].notna().all()
    printed = (project.folder / TABLE).with_suffix(".md").read_text()
    assert "Image tower of small: weights/weights.safetensors. Arithmetic: " in printed
    # Another setting of the training, or a "no" tower on top, leaves the tower and what it says as they are.
    slower = {**SETTINGS["backbones"]["small"], "training": TRAINING | {"learning_rate": 1e-4}}
    write_text(project.folder / STUDY, yaml.safe_dump(SETTINGS | {"backbones": {"small": slower}} | TAUGHT))
    planned = project.plan(TABLE, study="towered")
    assert planned["train_backbone"] == planned["project_image_features"] == planned["project_caption_images"] == 2
    assert not {rule for rule in planned if "tower" in rule or rule == "cache_caption_images"}
