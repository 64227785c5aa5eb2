"""The generated world and its mirror of archives."""

import hashlib
import io
import pickle
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import scipy.io

from clipn.data.archives import read_members
from clipn.data.location import locate
from clipn.data.manifest import index_images
from clipn.data.readers import Image, class_names, read_images
from clipn.data.registry import Registry, load_registry
from clipn.demo.figures import FIGURES
from clipn.demo.mirror import build_mirror
from clipn.demo.world import ALL_CONCEPTS, COLOURS, CONCEPTS, Scene, caption, imagine, render
from clipn.errors import ClipnError

IMAGES = 30
CAPTIONS = 120


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    build_mirror(folder, seed=7, captions=CAPTIONS, images=IMAGES)
    return folder


@pytest.fixture(scope="session")
def registry(mirror: Path) -> Registry:
    return load_registry(mirror / "datasets.yaml")


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def member(archive: Path, name: str) -> bytes:
    return next(content for _, content in read_members(archive, name.__eq__))


# World


def drawn(concept: str, rng: np.random.Generator, size: int) -> Any:
    return render(imagine(concept, rng), rng, size)


def test_every_concept_is_a_colour_and_a_figure_and_belongs_to_one_dataset() -> None:
    of_datasets = [concept for concepts in CONCEPTS.values() for concept in concepts]
    assert len(set(of_datasets)) == len(of_datasets)
    assert set(of_datasets) < set(ALL_CONCEPTS)
    assert len(ALL_CONCEPTS) == len(COLOURS) * len(FIGURES)


def test_every_concept_renders_reproducibly_at_any_size() -> None:
    for concept in ALL_CONCEPTS:
        picture = drawn(concept, np.random.default_rng(1), 32)
        assert picture.shape == (32, 32, 3)
        assert picture.dtype == np.uint8
        assert np.array_equal(picture, drawn(concept, np.random.default_rng(1), 32))
    assert drawn("red cross", np.random.default_rng(1), 48).shape == (48, 48, 3)


def test_colour_shows_in_the_mean_picture() -> None:
    """Red pictures are redder than blue ones; each figure differs from the next of its colour."""
    mean = {
        concept: np.mean([drawn(concept, np.random.default_rng(seed), 32) for seed in range(60)], axis=0)
        for concept in ("red square", "blue square", "red triangle")
    }
    centre = (slice(8, 24), slice(8, 24))
    assert mean["red square"][*centre, 0].mean() > mean["blue square"][*centre, 0].mean() + 40
    assert mean["blue square"][*centre, 2].mean() > mean["red square"][*centre, 2].mean() + 40
    assert np.abs(mean["red square"] - mean["red triangle"]).max() > 30


def test_captions_contain_their_concept_and_vary() -> None:
    rng = np.random.default_rng(0)
    for concept in ALL_CONCEPTS:
        sentences = {caption(imagine(concept, rng), rng) for _ in range(40)}
        assert all(re.search(rf"\b{concept}\b", sentence) for sentence in sentences)
        assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences)
        assert len(sentences) > 20


def test_captions_tell_what_the_picture_shows() -> None:
    rng = np.random.default_rng(0)
    alone, accompanied = Scene("red cross", "teal", None), Scene("red cross", "teal", "blue ring")
    assert not any("blue ring" in caption(alone, rng) for _ in range(20))
    assert all("blue ring" in caption(accompanied, rng) for _ in range(20))
    assert {"teal" in caption(alone, rng) for _ in range(40)} == {True, False}


# Mirror


def test_mirror_is_the_same_for_the_same_arguments(mirror: Path, tmp_path: Path) -> None:
    build_mirror(tmp_path, seed=7, captions=CAPTIONS, images=IMAGES)
    assert digests(tmp_path) == digests(mirror)


def test_other_caption_count_leaves_the_datasets_alone(mirror: Path, tmp_path: Path) -> None:
    build_mirror(tmp_path, seed=7, captions=CAPTIONS + 1, images=IMAGES)
    before, after = digests(mirror), digests(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {
        "GCC-training.tsv",
        "cc3m-images.tar",
        "datasets.yaml",
    }


def test_other_seed_changes_all_but_the_words(mirror: Path, tmp_path: Path) -> None:
    build_mirror(tmp_path, seed=8, captions=CAPTIONS, images=IMAGES)
    assert {name for name, _ in digests(mirror).items() & digests(tmp_path).items()} == {"words.txt"}


def test_words_are_all_concepts_of_the_world(mirror: Path) -> None:
    words = (mirror / "words.txt").read_text().splitlines()
    assert len(set(words)) == len(words)
    assert {concept for concepts in CONCEPTS.values() for concept in concepts} < set(words)


def test_empty_mirrors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="must be at least 1"):
        build_mirror(tmp_path, seed=0, captions=0, images=1)


def test_registry_describes_the_files(mirror: Path, registry: Registry) -> None:
    source = registry.captions["cc3m"]
    records = [archive for dataset in registry.datasets.values() for archive in dataset.archives]
    found = digests(mirror)
    for archive in [*records, *source.archives]:
        assert archive is not None
        assert archive.addresses == [archive.file]
        assert archive.sha256 == found[archive.file]
        assert archive.bytes == (mirror / archive.file).stat().st_size
    assert list(registry.datasets) == list(CONCEPTS)
    assert source.rows == CAPTIONS


@pytest.mark.parametrize("name", list(CONCEPTS))
def test_every_dataset_reads_back(mirror: Path, registry: Registry, name: str) -> None:
    location = locate(registry.datasets[name], mirror, mirror)
    manifest = index_images(name, location.record, read_images(location))
    assert len(manifest) == IMAGES
    classes = class_names(location)
    assert set(manifest["label"].to_pylist()) == (set(range(len(classes))) or {-1})
    if name in {"imagenet", "cifar10", "cifar100"}:
        assert classes == list(CONCEPTS[name])


@pytest.mark.parametrize("name", list(CONCEPTS))
def test_every_dataset_reads_alike_packed_and_unpacked(
    mirror: Path, registry: Registry, tmp_path: Path, name: str
) -> None:
    record = registry.datasets[name]
    with tarfile.open(mirror / record.archives[0].file) as tar:
        tar.extractall(tmp_path, filter="data")
    packed, unpacked = locate(record, mirror, mirror), locate(record, mirror, mirror, tmp_path)
    assert sorted(read_images(unpacked), key=by_path) == sorted(read_images(packed), key=by_path)
    assert class_names(unpacked) == class_names(packed)


def by_path(image: Image) -> str:
    return image.path


def test_imagenet_is_labelled_by_file_name_in_whatever_folders(
    mirror: Path, registry: Registry, tmp_path: Path
) -> None:
    record = registry.datasets["imagenet"]
    packed = list(read_images(locate(record, mirror, mirror)))
    for image in packed:
        folder = tmp_path / f"n{image.label:08d}"
        folder.mkdir(exist_ok=True)
        (folder / image.path).write_bytes(image.content)
    unpacked = read_images(locate(record, mirror, mirror, tmp_path))
    assert sorted(unpacked, key=by_path) == packed


def test_imagenet_labels_are_not_devkit_ids(mirror: Path, registry: Registry) -> None:
    """Labels follow sorted WordNet ids; here, as in the real devkit, no id minus 1 equals its label."""
    devkit = mirror / "ILSVRC2012_devkit_t12.tar.gz"
    folder = "ILSVRC2012_devkit_t12/data"
    truth = [int(line) for line in member(devkit, f"{folder}/ILSVRC2012_validation_ground_truth.txt").split()]
    table = scipy.io.loadmat(io.BytesIO(member(devkit, f"{folder}/meta.mat")), squeeze_me=True)["synsets"]
    leaves = {row["ILSVRC2012_ID"]: row for row in table if row["num_children"] == 0}
    order = sorted(str(row["WNID"]) for row in leaves.values())
    images = list(read_images(locate(registry.datasets["imagenet"], mirror, mirror)))
    assert len(table) > len(leaves) == 15
    assert [image.path for image in images] == [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 31)]
    for image, number in zip(images, truth, strict=True):
        assert image.label == order.index(str(leaves[number]["WNID"]))
        assert image.label != number - 1
        assert CONCEPTS["imagenet"][image.label] == leaves[number]["words"]


def test_cifar_batches_have_the_official_fields(mirror: Path) -> None:
    batch = pickle.loads(member(mirror / "cifar-100-python.tar.gz", "cifar-100-python/test"))
    assert batch[b"data"].shape == (IMAGES, 3072)
    assert batch[b"data"].dtype == np.uint8
    assert {b"filenames", b"batch_label", b"fine_labels", b"coarse_labels"} <= batch.keys()


def test_training_images_lie_in_the_archive_of_the_test_images_and_leave_those_alone(
    mirror: Path, registry: Registry, tmp_path: Path
) -> None:
    build_mirror(tmp_path, seed=7, captions=CAPTIONS, images=IMAGES, training=22)
    before, after = digests(mirror), digests(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"cifar-10-python.tar.gz", "datasets.yaml"}
    records = load_registry(tmp_path / "datasets.yaml").datasets
    trained, tested = (locate(records[name], tmp_path, tmp_path) for name in ("cifar10_train", "cifar10"))
    images = list(read_images(trained))
    assert sorted(np.bincount([image.label for image in images])) == [2] * 8 + [3] * 2
    assert class_names(trained) == class_names(tested) == list(CONCEPTS["cifar10"])
    assert list(read_images(tested)) == list(read_images(locate(registry.datasets["cifar10"], mirror, mirror)))
    assert not {image.content for image in images} & {image.content for image in read_images(tested)}


def test_file_names_are_official(mirror: Path) -> None:
    expected = {
        "iNaturalist.tar.gz": r"iNaturalist/images/[0-9a-f]{32}\.jpg",
        "SUN.tar.gz": r"SUN/images/sun_[a-z]{16}\.jpg",
        "Places.tar.gz": r"Places/images/[a-z]_[a-z]+_\d{8}\.jpg",
        "dtd-r1.0.1.tar.gz": r"dtd/images/(\w+)/\1_\d{4}\.jpg|dtd/labels/test1\.txt",
        "Imagenet_resize.tar.gz": r"(Imagenet_resize/){2}\d+\.png",
        "LSUN_resize.tar.gz": r"(LSUN_resize/){2}\d+\.png",
    }
    for file, pattern in expected.items():
        with tarfile.open(mirror / file) as tar:
            assert all(re.fullmatch(pattern, name) for name in tar.getnames()), file


def test_captions_name_their_images(mirror: Path) -> None:
    rows = [line.split("\t") for line in (mirror / "GCC-training.tsv").read_text(encoding="utf-8").splitlines()]
    photos = list(read_members(mirror / "cc3m-images.tar", lambda path: True))
    assert [address for _, address in rows] == [f"http://127.0.0.1:8080/{path}" for path, _ in photos]
    assert PIL.Image.open(io.BytesIO(photos[0][1])).format == "JPEG"
    named = {concept for sentence, _ in rows for concept in ALL_CONCEPTS if concept in sentence}
    assert named & set(CONCEPTS["imagenet"])
    assert named & set(CONCEPTS["textures"])


def test_a_registry_of_somebody_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("datasets: {}")
    with pytest.raises(ClipnError, match=r"holds a datasets\.yaml that is not the demo's; name another folder"):
        build_mirror(tmp_path, seed=7, captions=CAPTIONS, images=IMAGES)
    assert [path.name for path in tmp_path.iterdir()] == ["datasets.yaml"]
