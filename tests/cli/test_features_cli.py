"""`clipn features` on the command line: what it reads, what it writes, and its own refusals."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from clipn.cli.features import features_app
from clipn.data.archives import write_archive
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features.images import read_image_features
from clipn.features.negative_labels import read_negative_labels
from clipn.features.perturbed import read_perturbed_features
from clipn.files import write_json
from clipn.model.backbone import save_backbone
from clipn.model.tensors import read_safetensors
from tests.helpers.tiny_dataset import dataset, encoded, noise, write_files
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip

CLASSES = ["dog", "cat"]
CONTENTS = {f"{seed}.png": encoded(noise(seed, 40, 36), "PNG") for seed in range(5)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Datasets: `id`, packed and unpacked, and `ood`, its first three images; a backbone and a word list."""
    names = {"id": list(CONTENTS), "ood": list(CONTENTS)[:3]}
    records = {name: {"title": name, "reader": "flat", "archives": [{"file": f"{name}.tar"}]} for name in names}
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump({"datasets": records}))
    for name, paths in names.items():
        indexed = tmp_path / "datasets" / name
        indexed.mkdir(parents=True)
        images = [Image(path, -1, CONTENTS[path]) for path in paths]
        write_manifest(index_images(name, dataset(f"{name}.tar"), images), indexed / "manifest.parquet")
        describe(indexed / "dataset.json", CLASSES if name == "id" else [])
        (tmp_path / "archives" / name).mkdir(parents=True)
        write_archive(tmp_path / "archives" / name / f"{name}.tar", [(path, CONTENTS[path]) for path in paths])
    write_files(tmp_path / "unpacked", CONTENTS)
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


def of_images(folder: Path) -> torch.Tensor:
    paths = {"archives": folder / "archives/id", "manifest": folder / "datasets/id/manifest.parquet"}
    return torch.from_numpy(
        read_image_features(run(folder, "images", "id", registry=folder / "registry.yaml", **paths))
    )


def perturbed(folder: Path, *names: str, **options: object) -> Path:
    paths = {key: folder / key for key in ("datasets", "archives")}
    return run(folder, "perturbed", *names, registry=folder / "registry.yaml", **paths, **options)


def test_perturbed_images_of_several_datasets(folder: Path) -> None:
    output = perturbed(folder, "id", "ood")
    _, header = read_safetensors(output, "clipn-perturbed-features-2")
    assert (header["prompts"], header["logit_scale"], header["epsilon"]) == ("clipn128", "100.0", "0.0014")
    moved, plain = read_perturbed_features(output), of_images(folder)
    assert 1e-5 < (moved["id"] - plain).abs().amax(dim=1).min() < 0.1
    torch.testing.assert_close(moved["ood"], moved["id"][:3], rtol=0, atol=5e-7)


def test_without_a_step_they_are_the_plain_ones(folder: Path) -> None:
    still = read_perturbed_features(perturbed(folder, "id", epsilon=0, logit_scale="checkpoint"))
    torch.testing.assert_close(still["id"], of_images(folder), rtol=0, atol=5e-7)


def test_an_unpacked_copy_stands_in_for_the_archive(folder: Path) -> None:
    packed = perturbed(folder, "id", "ood").read_bytes()
    (folder / "archives/id/id.tar").unlink()
    assert perturbed(folder, "id", "ood", unpacked=f"id:{folder / 'unpacked'}").read_bytes() == packed


def test_negatives(folder: Path) -> None:
    description = folder / "datasets/id/dataset.json"
    output = run(folder, "negatives", description=description, words=folder / "words.txt")
    labels, negatives = read_negative_labels(output)
    assert (labels.shape, negatives.shape) == ((2, 32), (6, 32))
    chosen = json.loads(read_safetensors(output, "clipn-negative-labels-1")[1]["chosen"])
    assert set(chosen) < {f"word {number}" for number in range(40)}


def test_an_ood_dataset_has_no_classes(folder: Path) -> None:
    description = folder / "datasets/ood/dataset.json"
    with pytest.raises(ClipnError, match=r"ood/dataset\.json: has no class names; name the ID dataset's"):
        run(folder, "negatives", description=description, words=folder / "words.txt")
    with pytest.raises(ClipnError, match=r"ood/dataset\.json: has no class names; name the ID dataset's"):
        perturbed(folder, "ood", "id")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"logit_scale": "model"}, "--logit-scale 'model': give a positive number or `checkpoint`"),
        ({"unpacked": "id"}, "--unpacked 'id': write it as DATASET:FOLDER"),
        ({"prompts": "clip"}, "no pool 'clip'; choose one of clipn128, "),
    ],
)
def test_bad_options(folder: Path, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ClipnError, match=complaint):
        perturbed(folder, "id", "ood", **options)
    assert not (folder / "output").exists()
