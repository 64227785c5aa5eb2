"""The network of the generated world, against direct calls of timm and scikit-learn."""

from pathlib import Path

import pytest
import timm
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from clipn.data.readers import read_dataset
from clipn.demo.mirror import build_mirror
from clipn.demo.network import write_network
from clipn.errors import ClipnError
from clipn.model.network import load_network

MODEL, SEED = "timm/test_resnet", 5


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    build_mirror(folder, seed=7, captions=1, images=10, training=40)
    return folder


@pytest.fixture(scope="module")
def written(mirror: Path) -> Path:
    path = mirror / "network.safetensors"
    write_network(mirror, MODEL, SEED, path)
    return path


def test_it_is_a_random_trunk_and_a_logistic_regression_of_standardised_features(mirror: Path, written: Path) -> None:
    network = load_network(MODEL, written)
    pictures: dict[str, Tensor] = {}
    labels: dict[str, list[int]] = {}
    for name in ("cifar10_train", "cifar10"):
        images = list(read_dataset(name, mirror / "datasets.yaml", mirror))
        pictures[name] = torch.stack([network.transform(image.open()) for image in images])
        labels[name] = [image.label for image in images]
    torch.manual_seed(SEED)
    trunk = timm.create_model("test_resnet", num_classes=10).eval()
    trunk.reset_classifier(0)
    with torch.inference_mode():
        features = {name: trunk(stacked).double().numpy() for name, stacked in pictures.items()}
        found = network.module(pictures["cifar10"])
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    regression.fit(features["cifar10_train"], labels["cifar10_train"])
    expected = torch.from_numpy(regression.decision_function(features["cifar10"]))
    assert network.outputs == 10
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)
    assert regression.score(features["cifar10_train"], labels["cifar10_train"]) == 1


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(
    mirror: Path, written: Path, tmp_path: Path
) -> None:
    for seed in (SEED, SEED + 1):
        write_network(mirror, MODEL, seed, tmp_path / "again.safetensors")
        same = (tmp_path / "again.safetensors").read_bytes() == written.read_bytes()
        assert same is (seed == SEED)


def test_training_images_of_every_class_are_needed(tmp_path: Path) -> None:
    build_mirror(tmp_path, seed=7, captions=1, images=10, training=9)
    with pytest.raises(ClipnError, match="9 training images are not of all 10 classes; raise `training`"):
        write_network(tmp_path, MODEL, SEED, tmp_path / "network.safetensors")
