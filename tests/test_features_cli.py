"""`clipn features` on the command line: what it reads, what it writes, and its own refusals."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from clipn.backbone import read_safetensors, save_backbone
from clipn.data.archives import write_archive
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features import read_image_features
from clipn.features_cli import features_app
from clipn.files import write_json
from clipn.negative_labels import read_negative_labels
from clipn.perturbation import read_perturbed_features
from tests.tiny_dataset import dataset, encoded, noise
from tests.tiny_model import ARCHITECTURE, tiny_clip

CLASSES = ["dog", "cat"]
CONTENTS = {f"{seed}.png": encoded(noise(seed, 40, 36), "PNG") for seed in range(5)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry, a dataset `d` in archives/d.tar, its manifest and description, a backbone and a word list."""
    record = {"title": "D", "reader": "flat", "archives": [{"file": "d.tar"}]}
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump({"datasets": {"d": record}}))
    (tmp_path / "archives").mkdir()
    write_archive(tmp_path / "archives/d.tar", list(CONTENTS.items()))
    images = [Image(name, -1, content) for name, content in CONTENTS.items()]
    write_manifest(index_images("d", dataset("d.tar"), images), tmp_path / "manifest.parquet")
    describe(tmp_path / "known.json", CLASSES)
    save_backbone(tmp_path / "backbone", tiny_clip(), ARCHITECTURE, "tiny")
    (tmp_path / "words.txt").write_text("\n".join(f"word {number}" for number in range(40)))
    return tmp_path


def describe(path: Path, classes: list[str]) -> None:
    proof = {"archives": {}, "proof": {}, "names": "unverified", "images": 0}
    write_json(path, {"title": "K", "classes": classes} | proof)


def run(folder: Path, *words: object, **options: object) -> Path:
    """The file that the command writes; whatever it raises."""
    output = folder / "output"
    named = {"backbone": folder / "backbone", "output": output} | options
    arguments = [str(word) for key, value in named.items() for word in (f"--{key.replace('_', '-')}", value)]
    CliRunner().invoke(features_app, [*map(str, words), *arguments], catch_exceptions=False)
    return output


def of_images(folder: Path, command: str, **options: object) -> Path:
    places = {"registry": "registry.yaml", "archives": "archives", "manifest": "manifest.parquet"}
    return run(folder, command, "d", **{key: folder / place for key, place in places.items()}, **options)


def test_images_and_perturbed_images(folder: Path) -> None:
    plain = torch.from_numpy(read_image_features(of_images(folder, "images")))
    output = of_images(folder, "perturbed", description=folder / "known.json")
    _, header = read_safetensors(output, "clipn-perturbed-features-1")
    assert (header["prompts"], header["logit_scale"], header["epsilon"]) == ("clipn128", "100.0", "0.0014")
    moved = read_perturbed_features(output)
    assert 1e-5 < (moved - plain).abs().amax(dim=1).min() < 0.1
    still = of_images(folder, "perturbed", description=folder / "known.json", epsilon=0, logit_scale="checkpoint")
    torch.testing.assert_close(read_perturbed_features(still), plain, rtol=0, atol=5e-7)


def test_negatives(folder: Path) -> None:
    output = run(folder, "negatives", description=folder / "known.json", words=folder / "words.txt")
    labels, negatives = read_negative_labels(output)
    assert (labels.shape, negatives.shape) == ((2, 32), (6, 32))
    chosen = json.loads(read_safetensors(output, "clipn-negative-labels-1")[1]["chosen"])
    assert set(chosen) < {f"word {number}" for number in range(40)}


def test_an_ood_dataset_has_no_classes(folder: Path) -> None:
    describe(folder / "ood.json", [])
    with pytest.raises(ClipnError, match=r"ood\.json: has no class names; name the ID dataset's"):
        run(folder, "negatives", description=folder / "ood.json", words=folder / "words.txt")
    with pytest.raises(ClipnError, match=r"ood\.json: has no class names; name the ID dataset's"):
        of_images(folder, "perturbed", description=folder / "ood.json")


def test_a_bad_scale(folder: Path) -> None:
    with pytest.raises(ClipnError, match="--logit-scale 'model': give a positive number or `checkpoint`"):
        of_images(folder, "perturbed", description=folder / "known.json", logit_scale="model")
