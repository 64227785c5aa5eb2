"""`clipn features` on the command line: what it reads, what it writes, and its own refusals."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from clipn.cli.features import features_app
from clipn.data.archives import write_archive
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import Classifiers
from clipn.evaluation.detector import Detector
from clipn.features.stored import (
    Features,
    read_chosen_words,
    read_image_features,
    read_local_features,
    read_negative_labels,
    read_perturbed_features,
)
from clipn.files import write_json
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import save_checkpoint
from clipn.model.tensors import read_safetensors
from tests.helpers.tiny_dataset import dataset, encoded, noise, write_files
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip

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
    """What the command writes; whatever it raises."""
    output = folder / "output"
    named = {"backbone": folder / "backbone", "output": output} | options
    arguments = [str(word) for key, value in named.items() for word in (f"--{key.replace('_', '-')}", value)]
    CliRunner().invoke(features_app, [*map(str, words), *arguments], catch_exceptions=False)
    return output


def of_datasets(folder: Path, command: str, *names: str, **options: object) -> Path:
    """Of a command that reads images."""
    paths = {key: folder / key for key in ("datasets", "archives")}
    return run(folder, command, *names, registry=folder / "registry.yaml", **paths, **options)


def of_images(folder: Path, name: str = "id") -> Features:
    return read_image_features(of_datasets(folder, "images", "id", "ood") / f"{name}.safetensors")


def perturbed(folder: Path, *names: str, **options: object) -> Path:
    return of_datasets(folder, "perturbed", *names, **options)


def test_images_of_several_datasets(folder: Path) -> None:
    whole, part = (of_images(folder, name) for name in ("id", "ood"))
    assert (whole.shape, part.shape) == ((5, 32), (3, 32))
    np.testing.assert_allclose(part, whole[:3], rtol=0, atol=5e-7)


def test_images_of_an_unpacked_copy(folder: Path) -> None:
    packed = of_images(folder)
    (folder / "archives/id/id.tar").unlink()
    output = of_datasets(folder, "images", "id", unpacked=f"id:{folder / 'unpacked'}")
    np.testing.assert_array_equal(read_image_features(output / "id.safetensors"), packed)


def test_perturbed_images_of_several_datasets(folder: Path) -> None:
    output = perturbed(folder, "id", "ood")
    _, header = read_safetensors(output, "clipn-perturbed-features-2")
    assert (header["prompts"], header["logit_scale"], header["epsilon"]) == ("clipn128", "100.0", "0.0014")
    moved = read_perturbed_features(output)
    output.unlink()
    assert 1e-5 < np.abs(moved["id"] - of_images(folder)).max(axis=1).min() < 0.1
    np.testing.assert_allclose(moved["ood"], moved["id"][:3], rtol=0, atol=5e-7)


def test_without_a_step_they_are_the_plain_ones(folder: Path) -> None:
    output = perturbed(folder, "id", epsilon=0, logit_scale="checkpoint")
    still = read_perturbed_features(output)
    output.unlink()
    np.testing.assert_allclose(still["id"], of_images(folder), rtol=0, atol=5e-7)


def test_an_unpacked_copy_stands_in_for_the_archive(folder: Path) -> None:
    packed = perturbed(folder, "id", "ood").read_bytes()
    (folder / "archives/id/id.tar").unlink()
    assert perturbed(folder, "id", "ood", unpacked=f"id:{folder / 'unpacked'}").read_bytes() == packed


def test_patches_of_several_datasets(folder: Path) -> None:
    output = of_datasets(folder, "local", "id", "ood")
    _, header = read_safetensors(output, "clipn-local-features-1")
    assert header["prompts"] == "clipn128"
    packed, found = output.read_bytes(), read_local_features(output)
    assert {name: column.shape for name, column in found.items()} == {"id": (5, 1), "ood": (3, 1)}
    np.testing.assert_allclose(found["ood"], found["id"][:3], rtol=0, atol=5e-7)
    (folder / "archives/id/id.tar").unlink()
    copy = of_datasets(folder, "local", "id", "ood", unpacked=f"id:{folder / 'unpacked'}")
    assert copy.read_bytes() == packed


def test_negatives(folder: Path) -> None:
    describe(folder / "datasets/ood/dataset.json", ["old boat"])
    options = {"datasets": folder / "datasets", "words": folder / "words.txt", "method": "neglabel"}
    output = run(folder, "negatives", "id", "ood", **options)
    for name, classes in (("id", 2), ("ood", 1)):
        file = output / "negative_labels" / f"{name}.safetensors"
        labels, negatives = read_negative_labels(file)
        assert (labels.shape, negatives.shape) == ((classes, 32), (6, 32))
        printed = CliRunner().invoke(features_app, ["words", str(file)], catch_exceptions=False).stdout
        assert printed.splitlines() == read_chosen_words(file)
        assert set(printed.splitlines()) < {f"word {number}" for number in range(40)}


def test_classifiers_of_a_backbone_and_its_runs(folder: Path) -> None:
    model, name = taught_model(), "learnable/seed1"
    save_checkpoint(folder / "run", model.state_dict(), ARCHITECTURE, {})
    options = {"datasets": folder / "datasets", "prompts": "single", "checkpoint": f"{name}:{folder / 'run'}"}
    classifiers, detector = (
        Classifiers.read(run(folder, "classifiers", "id", **options)),
        Detector(model, CLASSES, "single"),
    )
    towers = classifiers.towers(name, "single", "id", 100.0)
    np.testing.assert_array_equal(towers.no, detector.no_weights)
    np.testing.assert_array_equal(classifiers.towers("none", "single", "id", 100.0).yes, detector.yes_weights)


def test_classifiers_without_runs(folder: Path) -> None:
    output = run(folder, "classifiers", "id", datasets=folder / "datasets", prompts="single")
    assert set(Classifiers.read(output).weights) == {"none/single/id/yes"}


def test_a_checkpoint_without_a_name(folder: Path) -> None:
    with pytest.raises(ClipnError, match="--checkpoint 'run': write it as NAME:FILE"):
        run(folder, "classifiers", "id", datasets=folder / "datasets", prompts="single", checkpoint="run")


def test_an_ood_dataset_has_no_classes(folder: Path) -> None:
    message = "^ood: has no class names, so it cannot be ID; name them, in label order, under datasets.ood.classes in"
    with pytest.raises(ClipnError, match=message):
        run(folder, "negatives", "id", "ood", datasets=folder / "datasets", words="wordnet", method="neglabel")
    with pytest.raises(ClipnError, match=message):
        run(folder, "classifiers", "id", "ood", datasets=folder / "datasets", prompts="single")
    for command in ("perturbed", "local"):
        with pytest.raises(ClipnError, match=message):
            of_datasets(folder, command, "ood", "id")
    assert not (folder / "output").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"logit_scale": "model"}, "--logit-scale 'model': give a positive number up to 1,000,000, or `checkpoint`"),
        ({"unpacked": "id"}, "--unpacked 'id': write it as DATASET:FOLDER"),
        ({"prompts": "clip"}, "no pool 'clip'; choose one of clipn128, "),
    ],
)
def test_bad_options(folder: Path, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ClipnError, match=complaint):
        perturbed(folder, "id", "ood", **options)
    assert not (folder / "output").exists()
