"""COOkeD from images to tables by the commands that rules run, with a network of random weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torchvision import models

from clipn.cli.main import app
from clipn.data.archives import write_archive
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import Classifiers
from clipn.evaluation.cooked import log_mean_softmax
from clipn.features.stored import read_image_features, read_network_logits, read_norms, read_probe
from clipn.files import file_hash, write_json
from clipn.model.backbone import save_backbone
from clipn.model.tensors import read_metadata
from tests.helpers.tiny_dataset import dataset, encoded, noise
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip

CLASSES = ["dog", "cat", "horse"]
SETS = {"pets": range(12), "training": range(100, 118), "sun": range(200, 206)}
"""Seeds of the images of every dataset; the class is the seed modulo 3."""
ROW = "tiny/cooked-4shot-net/single/seed1"
READ = "--registry registry.yaml --archives archives --datasets datasets"
NETWORK = f"--model torchvision/resnet18 --weights net.pth {READ} --output features/networks/net"
COMMANDS = [
    f"features images {' '.join(SETS)} {READ} --backbone tiny.safetensors --output features/tiny",
    f"features network pets sun --id-dataset pets {NETWORK}",
    "features classifiers pets --datasets datasets --backbone tiny.safetensors --prompts single"
    " --output classifiers/tiny.safetensors",
    "fit-probe pets --train training --shots 4 --datasets datasets --features features/tiny"
    " --output features/tiny/probes/pets/seed1.safetensors",
    f"score {ROW}:msp,entropy --fit tiny/cooked-4shot-net/seed1:pets --network pets:net --pair pets:sun"
    " --datasets datasets --features features --classifiers classifiers --output scores",
    f"evaluate scores/{ROW}.parquet --pair pets:sun --study mine --resamples 5 --output metrics",
    f"report ood-table metrics/{ROW}.json --id pets --tables tables --variant cooked-4shot-net --prompts single"
    " --datasets datasets --remark cooked-4shot-net-saw-training-images",
]


def picture(seed: int) -> Image:
    return Image(f"{seed:03}.png", seed % 3, encoded(noise(seed, 40, 36), "PNG"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a backbone, and a network of three classes."""
    folder = tmp_path_factory.mktemp("cooked")
    records = {name: {"title": name, "reader": "flat", "archives": [{"file": f"{name}.tar"}]} for name in SETS}
    (folder / "registry.yaml").write_text(yaml.safe_dump({"datasets": records}))
    for name, seeds in SETS.items():
        images = [picture(seed) for seed in seeds]
        write_manifest(index_images(name, dataset("d.tar"), images), folder / "datasets" / name / "manifest.parquet")
        found = {"title": name, "classes": CLASSES, "archives": {}, "proof": {}, "names": "unverified"}
        write_json(folder / "datasets" / name / "dataset.json", found | {"images": len(images)})
        (folder / "archives" / name).mkdir(parents=True)
        write_archive(folder / "archives" / name / f"{name}.tar", [(image.path, image.content) for image in images])
    save_backbone(folder / "tiny.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    torch.manual_seed(0)
    torch.save(models.resnet18(weights=None, num_classes=3).state_dict(), folder / "net.pth")
    return folder


def run(folder: Path, command: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        app(command.split(), standalone_mode=False)


@pytest.fixture(scope="module")
def made(planted: Path) -> Path:
    for command in COMMANDS:
        run(planted, command)
    return planted


@pytest.mark.parametrize("name", ["pets", "sun"])
def test_logits_of_a_network_are_those_of_a_direct_call(made: Path, name: str) -> None:
    network = models.resnet18(weights=None, num_classes=3)
    network.load_state_dict(torch.load(made / "net.pth", weights_only=True))
    transform = models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    images = torch.stack([transform(picture(seed).open()) for seed in SETS[name]])
    file = made / f"features/networks/net/{name}.safetensors"
    with torch.inference_mode():
        np.testing.assert_allclose(read_network_logits(file), network.eval()(images).numpy(), rtol=0, atol=1e-6)
    header = read_metadata(file)
    assert header["weights"] == file_hash(made / "net.pth")
    assert header["manifest"] == file_hash(made / f"datasets/{name}/manifest.parquet")


def test_scores_are_those_of_the_three_together(made: Path) -> None:
    table = pd.read_parquet(made / f"scores/{ROW}.parquet")
    rows = table[table["dataset"] == "sun"]
    features = made / "features/tiny/sun.safetensors"
    towers = Classifiers.read(made / "classifiers/tiny.safetensors").towers("none", "single", "pets", 100.0)
    weights, bias = read_probe(made / "features/tiny/probes/pets/seed1.safetensors")
    unit = read_image_features(features).astype(np.float64)
    probed = (read_norms(features)[:, None] * unit) @ weights.T + bias
    logs = log_mean_softmax(
        100 * unit @ towers.yes.T, probed, read_network_logits(made / "features/networks/net/sun.safetensors")
    )
    np.testing.assert_allclose(rows["entropy"], (np.exp(logs) * logs).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-rows["msp"])), np.exp(logs.max(axis=1)), rtol=1e-6)


def test_the_table_names_the_row_and_says_what_it_saw(made: Path) -> None:
    table = pd.read_csv(made / "tables/pets_ood.csv")
    assert set(zip(table["variant"], table["method"], strict=True)) == {
        ("cooked-4shot-net", "msp"), ("cooked-4shot-net", "entropy")
    }  # fmt: skip
    assert table["auroc"].between(0, 100).all()
    printed = (made / "tables/pets_ood.md").read_text()
    assert "cooked-4shot-net-saw-training-images" in printed


def test_a_network_of_other_classes_is_refused_before_any_image_is_read(planted: Path) -> None:
    torch.save(models.resnet18(weights=None, num_classes=4).state_dict(), planted / "four.pth")
    command = f"features network pets --id-dataset pets {NETWORK.replace('net.pth', 'four.pth')}/four"
    with pytest.raises(ClipnError, match=r"four\.pth: has 4 outputs, but pets has 3 classes; give a network that was"):
        run(planted, command)
    assert not (planted / "features/networks/net/four").exists()


def test_every_cooked_row_needs_a_network(planted: Path) -> None:
    with pytest.raises(ClipnError, match=r"SCORINGS '.*': cooked-\.\.\. averages three classifiers; give every ID a"):
        run(planted, COMMANDS[4].replace("--network pets:net", ""))
