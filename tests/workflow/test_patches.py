"""A study on a Vision Transformer, whose patches are scored."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit

from clipn.features.stored import read_local_features
from clipn.model.backbone import save_backbone
from tests.helpers.project import Project, succeeded
from tests.helpers.tiny_dataset import encoded, noise, write_files
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip

pytestmark = pytest.mark.workflow

STUDY = "results/studies/patches"
SCORES = f"{STUDY}/scores/vit/none/single/seed0.parquet"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.create(tmp_path_factory.mktemp("patches") / "project")
    pets = {f"{kind}/{seed}.png": encoded(noise(seed, 40, 36), "PNG") for kind in ("cat", "dog") for seed in range(6)}
    write_files(project.folder / "pets", pets)
    write_files(project.folder / "noise", {f"{seed}.png": encoded(noise(seed, 32, 32), "PNG") for seed in range(6, 15)})
    for name in ("pets", "noise"):
        succeeded(project.clipn("data", "add", name, name, "--registry", "config/own.yaml"))
    (project.folder / "weights").mkdir()
    save_backbone(project.folder / "weights/vit.safetensors", tiny_clip(), ARCHITECTURE, "vit")
    (project.folder / "weights/vit.json").write_text(json.dumps(ARCHITECTURE))
    study = {
        "registry": "config/own.yaml",
        "backbones": {"vit": {"architecture": "weights/vit.json", "pretrained": "weights/vit.safetensors"}},
        "pairs": {"pets": ["noise"]},
        "baselines": ["mcm", "gl_mcm", "l_mcm"],
        "prompts": ["single"],
        "resamples": 10,
    }
    (project.folder / "config/studies/patches.yaml").write_text(yaml.safe_dump(study))
    succeeded(project.run("snakemake", "--cores", "2", SCORES, "--config", "study=patches"))
    return project


def test_scores_are_those_of_the_surest_patch(project: Project) -> None:
    scores = pd.read_parquet(project.folder / SCORES)
    patches = read_local_features(project.folder / STUDY / "features/vit/local/pets.safetensors")
    np.testing.assert_array_equal(scores["l_mcm"], np.concatenate([patches["pets"], patches["noise"]])[:, 0])
    np.testing.assert_array_equal(scores["gl_mcm"], expit(scores["mcm"]) + expit(scores["l_mcm"]))


def test_another_logit_scale_re_runs_scoring_alone(project: Project) -> None:
    assert project.plan(SCORES, study="patches", logit_scale=50) == Counter({"score_runs": 1})
