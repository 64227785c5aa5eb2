"""What is kept of patches: the surest one's log-odds, against all patches and classes; and what their file says."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax

from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features import images as features
from clipn.features import under_classes
from clipn.features.local import best_patch, cache_local_features
from clipn.features.stored import LOCAL_FORMAT, LogOdds, read_local_features
from clipn.files import file_hash
from clipn.model.backbone import architecture, build, preprocess, save_backbone
from clipn.model.clipn import class_weights
from clipn.model.patches import patch_features
from clipn.model.tensors import read_safetensors
from clipn.scores import SCORES
from clipn.text.prompts import pool_hash, prompt_pool
from tests.helpers.project import ROOT
from tests.helpers.tiny_dataset import dataset, encoded, noise
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model, unit

CLASSES = ["dog", "cat", "old boat"]
IMAGES = [Image(f"{seed}.png", seed % 3, encoded(noise(seed, 40, 36), "PNG")) for seed in range(12)]
FEW = IMAGES[:5]
ROUNDING = 1e-6


@dataclass(frozen=True)
class Files:
    """A backbone, the manifest of 12 images, and that of the first five."""

    backbone: Path
    manifest: Path
    few: Path

    def cached(
        self, name: str, classes: list[str] = CLASSES, prompts: str = "single", images: list[Image] = IMAGES
    ) -> Path:
        output = self.backbone.parent / name
        datasets = {"all": (self.manifest, images), "few": (self.few, iter(FEW))}
        cache_local_features(self.backbone, datasets, classes, prompts, output)
        return output


@pytest.fixture
def files(tmp_path: Path) -> Files:
    backbone, manifest, few = (tmp_path / name for name in ("backbone.safetensors", "manifest.parquet", "few.parquet"))
    save_backbone(backbone, tiny_clip(), ARCHITECTURE, "tiny")
    write_manifest(index_images("d", dataset("d.tar"), IMAGES), manifest)
    write_manifest(index_images("d", dataset("d.tar"), FEW), few)
    return Files(backbone, manifest, few)


def cosines(classes: list[str] = CLASSES) -> LogOdds:
    """Of all images, patches and classes (12, 4, classes)."""
    model, transform = tiny_model(), preprocess(ARCHITECTURE)
    weights = class_weights(model.encode_text, model.tokenizer, classes, prompt_pool("single"))
    with torch.no_grad():
        patches = patch_features(model.clip, torch.stack([transform(image.open()) for image in IMAGES]))
    return np.asarray((patches.double() @ weights.double().T).numpy())


def test_the_surest_patch_is_that_of_the_plain_computation(files: Files) -> None:
    stored = read_local_features(files.cached("own"))["all"]
    assert (stored.shape, stored.dtype) == ((12, 1), np.float64)
    probabilities = softmax(cosines(), axis=2)
    np.testing.assert_allclose(expit(stored[:, 0]), probabilities.max(axis=(1, 2)), rtol=0, atol=ROUNDING)
    assert np.ptp(probabilities.max(axis=2), axis=1).min() > 10 * ROUNDING


def test_scores_of_the_cache_are_those_of_all_patches(files: Files) -> None:
    """L-MCM of all four patches at once, whose log-odds are those of MCM of each."""
    every = logit(softmax(cosines(), axis=2).max(axis=2))
    yes = np.zeros((12, 3))
    for method in ("gl_mcm", "l_mcm"):
        kept = SCORES[method](yes, local=read_local_features(files.cached("own"))["all"])
        np.testing.assert_allclose(kept, SCORES[method](yes, local=every), rtol=0, atol=ROUNDING)


def test_near_patches_do_not_tie() -> None:
    """Cosines that differ by 1e-12 among a thousand classes; float32 would not tell them apart."""
    patches = torch.zeros(50, 1, 32)
    patches[:, 0, 0], patches[:, 0, 1] = 1, 1e-8 * torch.arange(50)
    found = best_patch(patches, unit(1000).double())
    assert len(set(found.flatten().tolist())) == 50


def test_a_patch_that_is_surer_is_more_id() -> None:
    weights = torch.eye(4, dtype=torch.float64)
    torn, sure = torch.full((1, 2, 4), 0.5), torch.tensor([[[0.5, 0.5, 0.5, 0.5], [1.0, 0.0, 0.0, 0.0]]])
    np.testing.assert_allclose(best_patch(torn, weights), [[-np.log(3)]], rtol=1e-12)
    np.testing.assert_allclose(best_patch(sure, weights), [[1 - np.log(3)]], rtol=1e-12)


def test_a_single_class_is_certain(files: Files) -> None:
    stored = read_local_features(files.cached("one", classes=["dog"]))["all"]
    assert set(stored.ravel()) == {np.finfo(np.float64).max}


def test_every_dataset_has_its_own(files: Files) -> None:
    stored = read_local_features(files.cached("own"))
    assert {name: len(column) for name, column in stored.items()} == {"all": 12, "few": 5}
    np.testing.assert_allclose(stored["few"], stored["all"][:5], rtol=0, atol=ROUNDING)


def test_batches_do_not_matter(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_local_features(files.cached("whole"))["all"]
    monkeypatch.setattr(features, "BATCH", 7)
    monkeypatch.setattr(under_classes, "BATCH", 3)
    np.testing.assert_allclose(read_local_features(files.cached("parts"))["all"], whole, rtol=0, atol=ROUNDING)


def test_the_same_bytes_again(files: Files) -> None:
    first = files.cached("first").read_bytes()
    torch.manual_seed(4321)
    assert files.cached("again").read_bytes() == first
    assert files.cached("other", classes=["sun", "moon"]).read_bytes() != first


def test_the_header_says_what_made_it(files: Files) -> None:
    _, header = read_safetensors(files.cached("own"), LOCAL_FORMAT)
    assert json.loads(header.pop("manifests")) == {"all": file_hash(files.manifest), "few": file_hash(files.few)}
    assert header == {
        "format": "clipn-local-features-1",
        "backbone": file_hash(files.backbone),
        "classes": hashlib.sha256(b"dog\ncat\nold boat\n").hexdigest(),
        "prompts": "single",
        "templates": pool_hash("single"),
    }


def test_a_resnet_is_refused(files: Files) -> None:
    config = architecture(str(ROOT / "config/architectures/tiny.json"))
    save_backbone(files.backbone, build(config), config, "tiny")
    with pytest.raises(ClipnError, match=r"backbone\.safetensors: its image tower is a ResNet, .* gl_mcm and l_mcm"):
        files.cached("own")
    assert not (files.backbone.parent / "own").exists()


def test_other_mistakes(files: Files) -> None:
    with pytest.raises(ClipnError, match="classes: patches are compared with the names of ID classes; give at least"):
        files.cached("own", classes=[])
    with pytest.raises(ClipnError, match="no pool 'triple'; choose one of"):
        files.cached("own", prompts="triple")
    with pytest.raises(ClipnError, match=r"manifest\.parquet: lists 12 images, found 10; verify the dataset again"):
        files.cached("own", images=IMAGES[:-2])
    with pytest.raises(ClipnError, match=r"backbone\.safetensors: holds 'clipn-backbone-1', expected 'clipn-local"):
        read_local_features(files.backbone)
