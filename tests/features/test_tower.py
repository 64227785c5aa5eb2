"""Features of a locked tower, projected: those that the whole model would give, of nothing else than they say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import read_images
from clipn.data.shards import ShardImages
from clipn.errors import ClipnError
from clipn.features.captions import cache_caption_images, read_caption_images
from clipn.features.images import cache_image_features
from clipn.features.stored import read_image_features, read_norms
from clipn.features.tower import (
    cache_caption_tower_features,
    cache_tower_features,
    project_caption_images,
    project_image_features,
)
from clipn.model.image_tower import tower_features
from clipn.training.backbone import BackboneFiles, train_backbone
from clipn.training.settings import BackboneTraining
from tests.helpers.tiny_dataset import at, jpeg, write_files
from tests.helpers.tiny_run import TinyRun, tiny_run
from tests.helpers.tiny_tower import tiny_tower

ROUNDING = 1e-6


class Locked:
    """A backbone that was trained on the locked tower of a run, and the features of that tower."""

    def __init__(self, run: TinyRun) -> None:
        self.run, self.folder = run, run.folder
        self.tower, architecture = tiny_tower(self.folder)
        self.index = run.files.index
        self.captions = self.folder / "tower_captions.safetensors"
        images = ShardImages(self.index, run.files.shards)
        cache_caption_tower_features(self.tower, self.index, images, self.captions, workers=0)
        self.backbone = self.folder / "locked.safetensors"
        files = BackboneFiles([], self.index, self.tower, self.captions)
        settings = BackboneTraining(epochs=1, batch_size=9, lock_images=True, threads=1)
        train_backbone("locked", files, settings, self.backbone, self.folder / "locked.csv", str(architecture))


@pytest.fixture
def locked(tmp_path: Path) -> Locked:
    return Locked(tiny_run(tmp_path))


def test_features_of_captions_are_those_of_the_whole_model(locked: Locked) -> None:
    project_caption_images(locked.backbone, locked.index, locked.captions, locked.folder / "projected.safetensors")
    images = ShardImages(locked.index, locked.run.files.shards)
    cache_caption_images(locked.backbone, locked.index, images, 0, locked.folder / "whole.safetensors", workers=0)
    projected, whole = (
        read_caption_images(locked.folder / f"{name}.safetensors", locked.backbone, locked.index, 0)
        for name in ("projected", "whole")
    )
    assert (projected - whole).abs().max() < ROUNDING


def test_an_image_with_several_captions_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def counting(trunk: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        encoded.append(len(images))
        return tower_features(trunk, images)

    monkeypatch.setattr("clipn.features.tower.tower_features", counting)
    pictures = [0, 0, 0, 1, 2, 2, *range(3, 15)]
    locked = Locked(tiny_run(tmp_path, pictures=pictures))
    assert sum(encoded) == len(set(pictures))
    test_features_of_captions_are_those_of_the_whole_model(locked)


def test_features_of_a_dataset_are_those_of_the_whole_model(locked: Locked) -> None:
    location = at(write_files(locked.folder / "d", {f"{shade}.jpg": jpeg(shade) for shade in (0, 90, 200)}))
    manifest = locked.folder / "manifest.parquet"
    write_manifest(index_images("d", location.record, read_images(location)), manifest)
    tower, projected, whole = (locked.folder / f"{name}.safetensors" for name in ("t", "projected", "whole"))
    cache_tower_features(locked.tower, {tower: (manifest, read_images(location))})
    project_image_features(locked.backbone, {projected: (manifest, tower)})
    cache_image_features(locked.backbone, {whole: (manifest, read_images(location))})
    torch.testing.assert_close(
        *(torch.from_numpy(read_image_features(path)) for path in (projected, whole)), rtol=0, atol=ROUNDING
    )
    np.testing.assert_allclose(*map(read_norms, (projected, whole)), rtol=1e-5)


def test_features_of_another_tower_are_refused(locked: Locked) -> None:
    (locked.folder / "other").mkdir()
    other, _ = tiny_tower(locked.folder / "other", seed=6)
    images = ShardImages(locked.index, locked.run.files.shards)
    cache_caption_tower_features(other, locked.index, images, locked.captions, workers=0)
    with pytest.raises(ClipnError, match=r"tower_captions\.safetensors: was made from another image tower; delete"):
        project_caption_images(locked.backbone, locked.index, locked.captions, locked.folder / "out.safetensors")


def test_a_backbone_without_a_locked_tower(locked: Locked) -> None:
    backbone = locked.run.files.backbone
    with pytest.raises(ClipnError, match=f"{backbone}: has no locked image tower; encode its images with"):
        project_caption_images(backbone, locked.index, locked.captions, locked.folder / "out.safetensors")


def test_features_of_other_shards_are_refused(locked: Locked, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    index = tiny_run(tmp_path / "other", pictures=range(20, 38)).files.index
    with pytest.raises(ClipnError, match="was made from another index"):
        project_caption_images(locked.backbone, index, locked.captions, locked.folder / "out.safetensors")
