"""Weights of others in the workflow: local files, without any training."""

from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml

import clipn
from clipn.model.released import released_name
from tests.helpers.project import Project
from tests.helpers.tiny_model import tiny_model
from tests.model.test_weights import write_architecture

pytestmark = pytest.mark.workflow

RUN = "results/studies/local/runs/tiny/released/seed7.safetensors"


def write_weights(folder: Path, prompts: int) -> None:
    model = tiny_model(prompts=prompts)
    torch.save(model.clip.state_dict(), folder / "clip.pt")
    tensors = {released_name(name): tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 10, "state_dict": tensors}, folder / "epoch 10.pt")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    write_weights(tmp_path, prompts=3)
    study = {
        "registry": "config/datasets.yaml",
        "backbones": {"tiny": {"architecture": write_architecture(tmp_path), "pretrained": str(tmp_path / "clip.pt")}},
        "variants": {"released": {"checkpoints": {7: str(tmp_path / "epoch 10.pt")}}},
        "runs": [{"backbone": "tiny", "variant": "released", "seeds": [7]}],
        "pairs": {"cifar10": ["cifar100"]},
    }
    (project.folder / "config/studies/local.yaml").write_text(yaml.safe_dump(study))
    (project.folder / "config/config.yaml").write_text("study: local\n")
    return project


def test_local_weights_are_imported_and_watched(project: Project, tmp_path: Path) -> None:
    outcome = project.run("snakemake", "--cores", "1", RUN)
    assert outcome.status == 0, outcome.text[-3000:]
    assert len(clipn.load(project.folder / RUN).no.prompts) == 3
    assert not project.plan(RUN)
    write_weights(tmp_path, prompts=2)
    assert project.plan(RUN) == Counter({"import_checkpoint": 1})


def test_nothing_is_planned_but_what_published_checkpoints_need(project: Project) -> None:
    planned = project.plan()
    trained = {"build_shards", "prepare_captions", "cache_caption_features", "train_clipn", "training_figure"}
    assert not trained & planned.keys()
    assert planned["import_backbone"] == planned["import_checkpoint"] == 1
    assert planned["encode_classes"] == planned["score_runs"] == 1
