"""The file of classifiers: what it holds of a backbone and its runs, against detectors built of the same models."""

import hashlib
import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from clipn.errors import ClipnError
from clipn.evaluation.class_texts import cache_classifiers
from clipn.evaluation.classifiers import FORMAT, Classifiers
from clipn.evaluation.detector import Detector
from clipn.files import file_hash
from clipn.model.backbone import build, load_backbone, preprocess, save_backbone
from clipn.model.checkpoint import load_checkpoint, save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.tensors import read_arrays
from clipn.text.prompts import pool_hash
from tests.helpers.tiny_model import ARCHITECTURE, TEXT, taught_model, tiny_clip

CLASSES = {"pets": ["dog", "cat"], "sounds": ["acoustic guitar", "dog", "great white shark"]}
POOLS = ["single", "openai80"]
"""With negations and without."""
HANDCRAFTED = "handcrafted/seed1"
RUNS = {"learnable/seed1": 4, HANDCRAFTED: 0, "moved/seed3": 4}
"""Learned prompts of every run; the towers of the last are not quite the backbone's."""


def nearly_the_same(model: CLIPN) -> CLIPN:
    """A last digit of one weight is another, as in a released checkpoint."""
    weight = model.clip.text_projection.data
    weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(9.0))
    return model


def saved(path: Path, model: CLIPN) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, model.state_dict(), ARCHITECTURE, {})
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "tiny.safetensors"
    save_backbone(path, tiny_clip(), ARCHITECTURE, "tiny")
    return path


@pytest.fixture(scope="module")
def checkpoints(backbone: Path) -> dict[str, Path]:
    models = {run: taught_model(prompts=prompts) for run, prompts in RUNS.items()}
    nearly_the_same(models["moved/seed3"])
    return {run: saved(backbone.parent / f"{run}.safetensors", model) for run, model in models.items()}


@pytest.fixture(scope="module")
def path(backbone: Path, checkpoints: Mapping[str, Path]) -> Path:
    path = backbone.parent / "classifiers.safetensors"
    cache_classifiers(backbone, checkpoints, CLASSES, POOLS, path)
    return path


@pytest.mark.parametrize("scale", [50.0, None])
@pytest.mark.parametrize(("run", "pool"), [case for case in product(RUNS, POOLS) if case != (HANDCRAFTED, "openai80")])
def test_a_run_says_what_its_detector_says(
    path: Path, checkpoints: Mapping[str, Path], run: str, pool: str, scale: float | None
) -> None:
    model = load_checkpoint(checkpoints[run])
    for name, classes in CLASSES.items():
        towers, detector = Classifiers.read(path).towers(run, pool, name, scale), Detector(model, classes, pool, scale)
        assert towers.no is not None
        assert towers.scale == detector.logit_scale
        assert towers.yes.dtype == towers.no.dtype == np.float64
        np.testing.assert_array_equal(towers.yes, detector.yes_weights)
        np.testing.assert_array_equal(towers.no, detector.no_weights)


@pytest.mark.parametrize("pool", POOLS)
def test_plain_clip_says_yes_alone(path: Path, backbone: Path, pool: str) -> None:
    clip, architecture = load_backbone(backbone)
    plain = CLIPN(clip, preprocess(architecture)).eval()
    for name, classes in CLASSES.items():
        towers = Classifiers.read(path).towers("none", pool, name, None)
        detector = Detector(plain, classes, pool, None)
        assert (towers.scale, towers.no) == (detector.logit_scale, None)
        np.testing.assert_array_equal(towers.yes, detector.yes_weights)


def test_yes_is_stored_once_and_of_runs_whose_towers_are_their_own(path: Path) -> None:
    weights = read_arrays(path, FORMAT)[0]
    assert {name.rsplit("/", 3)[0] for name in weights if name.endswith("/yes")} == {"none", "moved/seed3"}
    plain, moved = (weights[f"{run}/single/pets/yes"] for run in ("none", "moved/seed3"))
    assert 0 < np.abs(moved - plain).max() < 1e-6


def test_a_temperature_of_its_own_is_no_other_tower(backbone: Path, tmp_path: Path) -> None:
    model = taught_model()
    model.clip.logit_scale.fill_(1.0)
    checkpoint = saved(tmp_path / "warm.safetensors", model)
    cache_classifiers(backbone, {"warm/seed1": checkpoint}, CLASSES, ["single"], output := tmp_path / "classifiers")
    classifiers = Classifiers.read(output)
    assert "warm/seed1/single/pets/yes" not in classifiers.weights
    assert classifiers.towers("warm/seed1", "single", "pets", None).scale == pytest.approx(np.e)


def test_a_pool_of_the_user_is_called_like_its_file(backbone: Path, tmp_path: Path) -> None:
    pool = tmp_path / "mine.txt"
    pool.write_text("a photo of a {}.\n")
    cache_classifiers(backbone, {}, CLASSES, ["single", str(pool)], output := tmp_path / "classifiers")
    single, mine = (Classifiers.read(output).towers("none", name, "pets", None) for name in ("single", "mine"))
    np.testing.assert_array_equal(mine.yes, single.yes)


def test_the_same_bytes_again(path: Path, backbone: Path, checkpoints: Mapping[str, Path], tmp_path: Path) -> None:
    torch.manual_seed(4321)
    cache_classifiers(backbone, checkpoints, CLASSES, POOLS, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_the_header_says_what_made_it(path: Path, backbone: Path, checkpoints: Mapping[str, Path]) -> None:
    header = read_arrays(path, "clipn-classifiers-1")[1]
    scales = json.loads(header.pop("logit_scales"))
    assert scales == dict.fromkeys(["none", *RUNS], pytest.approx(1 / 0.07))
    made_from = {name: json.loads(header.pop(name)) for name in ("checkpoints", "classes", "pools")}
    assert made_from == {
        "checkpoints": {run: file_hash(checkpoint) for run, checkpoint in checkpoints.items()},
        "classes": {
            "pets": hashlib.sha256(b"dog\ncat\n").hexdigest(),
            "sounds": hashlib.sha256(b"acoustic guitar\ndog\ngreat white shark\n").hexdigest(),
        },
        "pools": {pool: pool_hash(pool) for pool in POOLS},
    }
    assert header == {"format": "clipn-classifiers-1", "backbone": file_hash(backbone)}


# Refusals


@pytest.mark.parametrize(
    ("run", "pool", "id_dataset"),
    [
        ("learnable/seed2", "single", "pets"),
        (HANDCRAFTED, "openai80", "pets"),
        ("none", "clipn128", "pets"),
        ("none", "single", "cars"),
    ],
)
def test_what_is_not_in_the_file(path: Path, run: str, pool: str, id_dataset: str) -> None:
    message = f"^{path}: has no classifier of {run}, {pool}, {id_dataset}; encode the classes again, "
    with pytest.raises(ClipnError, match=message):
        Classifiers.read(path).towers(run, pool, id_dataset, 100.0)


def test_a_file_that_is_none_of_classifiers(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"tiny\.safetensors: holds 'clipn-backbone-1', expected 'clipn-classifiers-1"):
        Classifiers.read(backbone)
    with pytest.raises(ClipnError, match=r"none\.safetensors: no such file"):
        Classifiers.read(tmp_path / "none.safetensors")


def test_id_datasets_without_class_names(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"^sun: has no class names; give it `classes` in the registry$"):
        cache_classifiers(backbone, {}, CLASSES | {"sun": []}, POOLS, tmp_path / "classifiers")


def test_a_checkpoint_that_is_not_there(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"gone\.safetensors: no such file"):
        cache_classifiers(
            backbone, {"a/seed1": tmp_path / "gone.safetensors"}, CLASSES, POOLS, tmp_path / "classifiers"
        )
    assert not (tmp_path / "classifiers").exists()


def test_a_run_on_a_backbone_of_another_size(backbone: Path, tmp_path: Path) -> None:
    architecture = ARCHITECTURE | {"text_cfg": TEXT | {"layers": 1}}
    model = CLIPN(build(architecture), preprocess(architecture), 4)
    save_checkpoint(path := tmp_path / "other.safetensors", model.state_dict(), architecture, {})
    with pytest.raises(ClipnError, match=f"^{path}: its towers are not of the backbone's size; name the backbone"):
        cache_classifiers(backbone, {"other/seed1": path}, CLASSES, POOLS, tmp_path / "classifiers")
