"""The data of the study `real`: no image is in two sets, "unseen" classes are unseen, sets of 32 px are of 32 px."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pytest
import yaml

from clipn.data.archives import read_members
from clipn.data.captions.sources import read_captions
from clipn.data.location import Location, locate
from clipn.data.readers import Image, class_names, read_images
from clipn.data.registry import load_registry
from clipn.text.prompts import prompt_pool

CONFIG = Path(__file__).parents[2] / "config"
REGISTRY = load_registry(CONFIG / "real.yaml")
STUDY = yaml.safe_load((CONFIG / "studies" / "real.yaml").read_text())
SHRUNK = [name for name, record in REGISTRY.datasets.items() if record.shrink]
UNSEEN = ["tiny_imagenet", "caltech_unseen"]


def located(name: str, real: Path) -> Location:
    return locate(REGISTRY.datasets[name], real, real)


@cache
def captions(name: str, real: Path) -> list[tuple[str, str]]:
    """Path of the image, and caption."""
    table = pa.Table.from_batches(read_captions(REGISTRY.captions[name], real))
    return list(zip(table["image"].to_pylist(), table["caption"].to_pylist(), strict=True))


def class_of(member: str) -> str:
    return PurePosixPath(member).parent.name


def hashes(images: Iterable[Image]) -> set[bytes]:
    return {hashlib.sha256(image.open().tobytes()).digest() for image in images}


def test_no_image_is_in_two_sets(real: Path) -> None:
    """By sha256 of the decoded pixels: training images, ID and OOD sets; those that are shrunk are of others."""
    pixels = {name: hashes(read_images(located(name, real))) for name in REGISTRY.datasets if name not in SHRUNK}
    assert {name: len(images) for name, images in pixels.items()} == {
        name: REGISTRY.datasets[name].images for name in pixels
    }
    for name, source in REGISTRY.captions.items():
        if source.shrink:
            continue
        files = read_members(real / source.images[0].file, dict(captions(name, real)).__contains__)
        pixels[name] = hashes(Image(member, -1, content) for member, content in files)
    sizes = {name: len(images) for name, images in pixels.items()}
    trained_on = {"tiny_imagenet_train": 16000, "caltech_train": 1797, "imagenet_sample_train": 945}
    assert sizes.items() >= (trained_on | {"flickr8k_train": 800}).items()
    assert len(set().union(*pixels.values())) == sum(sizes.values())


@pytest.mark.parametrize("name", REGISTRY.captions)
def test_sources_have_as_many_captions_as_their_records_say(real: Path, name: str) -> None:
    assert len(captions(name, real)) == REGISTRY.captions[name].rows


@pytest.mark.parametrize("name", [name for name, record in REGISTRY.records.items() if record.shrink])
def test_what_has_32_px_is_another_record_shrunk(name: str) -> None:
    shrunk, original = REGISTRY.record(name), REGISTRY.record(name.removesuffix("_32"))
    assert shrunk.title == f"{original.title} (32 px)"
    assert shrunk.model_copy(update={"title": original.title, "shrink": None}) == original


def test_only_what_is_paired_with_cifar10_is_shrunk() -> None:
    of_cifar10, of_caltech = STUDY["pairs"].values()
    # Tiny-ImageNet's images have 32 px as they are.
    assert set(of_cifar10) == {"tiny_imagenet", *SHRUNK}
    assert set(of_caltech) == {name.removesuffix("_32") for name in SHRUNK}


def test_no_class_is_seen_and_unseen(real: Path) -> None:
    sources = [name for name, source in REGISTRY.captions.items() if source.reader == "class_folders"]
    seen = {class_of(member) for name in sources for member, _ in captions(name, real)}
    unseen = [set(class_names(located(name, real))) for name in UNSEEN]
    assert [len(classes) for classes in unseen] == [40, 37]
    assert seen.isdisjoint(set().union(*unseen))


def test_seen_classes_are_called_as_in_training(real: Path) -> None:
    trained = captions("caltech_train", real)
    folders = sorted({class_of(member) for member, _ in trained})
    called = dict(zip(folders, class_names(located("caltech_seen", real)), strict=True))
    for number, (member, caption) in enumerate(trained):
        assert caption == prompt_pool("openai80")[number % 80].format(called[class_of(member)])


def test_the_study_names_all_data_of_its_registry() -> None:
    paired = {name for id_dataset, names in STUDY["pairs"].items() for name in (id_dataset, *names)}
    assert paired == set(REGISTRY.datasets)
    assert set(STUDY["captions"]["sources"]) == set(REGISTRY.captions)
