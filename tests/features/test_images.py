"""Image features of datasets: those of the image tower, one dataset or several at a time."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features import images as module
from clipn.features.images import cache_image_features
from clipn.features.stored import Features, read_image_features, read_norms
from clipn.files import file_hash
from clipn.model.backbone import preprocess, save_backbone
from clipn.model.tensors import read_arrays
from tests.helpers.tiny_dataset import dataset, encoded, noise
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model

IMAGES = [Image(f"{seed}.png", seed % 3, encoded(noise(seed, 40, 36), "PNG")) for seed in range(9)]
DATASETS = {"all": IMAGES, "few": IMAGES[4:7], "one": IMAGES[:1]}
ROUNDING = 5e-7


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    save_backbone(path := tmp_path / "tiny.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    for name, images in DATASETS.items():
        write_manifest(index_images(name, dataset("d.tar"), images), tmp_path / f"{name}.parquet")
    return path


def cached(backbone: Path, datasets: Mapping[str, list[Image]], output: str = "features") -> dict[str, Path]:
    """Files of features by dataset; every dataset is read once, as from an archive."""
    folder = backbone.parent
    files = {name: folder / output / f"{name}.safetensors" for name in datasets}
    opened = {files[name]: (folder / f"{name}.parquet", iter(images)) for name, images in datasets.items()}
    cache_image_features(backbone, opened)
    return files


def expected(images: list[Image]) -> Features:
    transform = preprocess(ARCHITECTURE)
    features = tiny_model().encode_image(torch.stack([transform(image.open()) for image in images]))
    return features.detach().numpy()


def test_features_are_those_of_the_image_tower(backbone: Path) -> None:
    for name, path in cached(backbone, DATASETS).items():
        features = read_image_features(path)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected(DATASETS[name]), rtol=0, atol=ROUNDING, err_msg=name)


def test_norms_are_the_lengths_of_what_the_image_tower_gave(backbone: Path) -> None:
    transform = preprocess(ARCHITECTURE)
    for name, path in cached(backbone, DATASETS).items():
        images = torch.stack([transform(image.open()) for image in DATASETS[name]])
        raw = tiny_clip().encode_image(images).detach().numpy()
        norms = read_norms(path)
        assert norms.dtype == np.float32
        np.testing.assert_allclose(norms, np.sqrt((raw.astype(np.float64) ** 2).sum(axis=1)), rtol=1e-5)
        np.testing.assert_allclose(norms[:, None] * read_image_features(path), raw, rtol=0, atol=1e-5 * norms.max())


def test_a_dataset_among_others_has_the_bytes_of_one_alone(backbone: Path) -> None:
    together = cached(backbone, DATASETS)
    for name, images in DATASETS.items():
        (alone,) = cached(backbone, {name: images}, "alone").values()
        assert alone.read_bytes() == together[name].read_bytes()


def test_batches_do_not_matter(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_image_features(cached(backbone, {"all": IMAGES})["all"])
    monkeypatch.setattr(module, "BATCH", 4)
    parts = read_image_features(cached(backbone, {"all": IMAGES}, "parts")["all"])
    np.testing.assert_allclose(parts, whole, rtol=0, atol=ROUNDING)


def test_the_header_says_what_made_it(backbone: Path) -> None:
    _, header = read_arrays(cached(backbone, DATASETS)["few"], "clipn-image-features-1")
    manifest = backbone.parent / "few.parquet"
    assert header == {
        "format": "clipn-image-features-1", "backbone": file_hash(backbone), "manifest": file_hash(manifest)
    }  # fmt: skip


def test_a_wrong_dataset_is_named_and_not_written(backbone: Path) -> None:
    with pytest.raises(ClipnError, match=r"few\.parquet: lists 3 images, found 2; verify the dataset again"):
        cached(backbone, DATASETS | {"few": IMAGES[4:6]})
    assert {path.stem for path in (backbone.parent / "features").iterdir()} == {"all"}


def test_another_file_and_none(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="holds 'clipn-backbone-1', expected 'clipn-image-features-1'"):
        read_image_features(backbone)
    with pytest.raises(ClipnError, match=r"nowhere\.safetensors: no such file"):
        read_image_features(tmp_path / "nowhere.safetensors")
