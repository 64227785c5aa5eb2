"""Perturbed images: the step that ODIN takes, against plain autograd in float64; and what their file says."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import open_clip
import pytest
import torch
from torch.nn.functional import log_softmax, normalize

from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features import images as features
from clipn.features import under_classes
from clipn.features.images import cache_image_features
from clipn.features.perturbed import cache_perturbed_features, perturbed
from clipn.features.stored import PERTURBED_FORMAT, read_image_features, read_perturbed_features
from clipn.files import file_hash
from clipn.model.backbone import load_backbone, preprocess, save_backbone
from clipn.model.clipn import class_weights, encode_image
from clipn.model.tensors import read_safetensors
from clipn.text.prompts import pool_hash, prompt_pool
from tests.helpers.tiny_dataset import dataset, encoded, noise
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model, unit

CLASSES = ["dog", "cat", "old boat"]
IMAGES = [Image(f"{seed}.png", seed % 3, encoded(noise(seed, 40, 36), "PNG")) for seed in range(24)]
FEW = IMAGES[:5]
ROUNDING = 5e-7


@dataclass(frozen=True)
class Files:
    """A backbone, the manifest of 24 images, and that of the first five."""

    backbone: Path
    manifest: Path
    few: Path

    def features(
        self,
        name: str,
        epsilon: float = 0.01,
        classes: list[str] = CLASSES,
        prompts: str = "single",
        logit_scale: float | None = 100.0,
        images: list[Image] = IMAGES,
    ) -> Path:
        output = self.backbone.parent / name
        datasets = {"all": (self.manifest, images), "few": (self.few, iter(FEW))}
        cache_perturbed_features(self.backbone, datasets, classes, prompts, logit_scale, epsilon, output)
        return output

    def plain_features(self) -> torch.Tensor:
        output = self.backbone.parent / "plain"
        cache_image_features(self.backbone, {output: (self.manifest, IMAGES)})
        return torch.from_numpy(read_image_features(output))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    backbone, manifest, few = (tmp_path / name for name in ("backbone.safetensors", "manifest.parquet", "few.parquet"))
    save_backbone(backbone, tiny_clip(), ARCHITECTURE, "tiny")
    write_manifest(index_images("d", dataset("d.tar"), IMAGES), manifest)
    write_manifest(index_images("d", dataset("d.tar"), FEW), few)
    return Files(backbone, manifest, few)


def stored_in(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(features) for name, features in read_perturbed_features(path).items()}


def tensors() -> torch.Tensor:
    transform = preprocess(ARCHITECTURE)
    return torch.stack([transform(image.open()) for image in IMAGES])


def frozen(seed: int = 0) -> open_clip.CLIP:
    return tiny_clip(seed).requires_grad_(False)


def log_confidence(clip: open_clip.CLIP, images: torch.Tensor, weights: torch.Tensor, scale: float) -> torch.Tensor:
    """Log of the largest softmax probability at temperature 1000, in the model's own precision."""
    logits = scale * normalize(clip.encode_image(images), dim=1) @ weights.T
    return log_softmax(logits / 1000, dim=1).amax(dim=1)


def plain_gradient(images: torch.Tensor, weights: torch.Tensor, scale: float, seed: int = 0) -> torch.Tensor:
    """Of the log of the winner's probability, one image at a time, all in float64."""
    clip, rows = frozen(seed).double(), []
    for image in images.double():
        image = image[None].requires_grad_()
        log_confidence(clip, image, weights, scale).sum().backward()
        assert image.grad is not None
        rows.append(image.grad)
    return torch.cat(rows)


@pytest.mark.parametrize(("scale", "classes"), [(100.0, 3), (100.0, 40), (5000.0, 5), (1.0, 2)])
def test_the_step_is_that_of_plain_autograd(scale: float, classes: int) -> None:
    """At scale 5000 the softmax at temperature 1000 is far from flat."""
    images, weights = tensors(), unit(classes, seed=7).double()
    step = perturbed(frozen(), images, weights, scale, 0.01) - images
    gradient = plain_gradient(images, weights, scale)
    certain = gradient.abs() > 1e-5 * gradient.abs().amax(dim=(1, 2, 3), keepdim=True)
    assert certain.float().mean() > 0.999
    torch.testing.assert_close(step[certain], 0.01 * gradient.sign().float()[certain], rtol=0, atol=5e-7)


@pytest.mark.parametrize("epsilon", [0.0014, 0.02])
def test_confidence_grows(epsilon: float) -> None:
    images, weights, clip = tensors(), unit(10, seed=3).double(), frozen()
    moved = perturbed(clip, images, weights, 100.0, epsilon)
    exact = frozen().double()
    gain = log_confidence(exact, moved.double(), weights, 100.0) - log_confidence(
        exact, images.double(), weights, 100.0
    )
    assert (gain > 0).float().mean() > 0.95


def test_a_single_class_moves_nothing() -> None:
    images = tensors()
    assert torch.equal(perturbed(frozen(), images, unit(1).double(), 100.0, 0.01), images)


def test_features_are_those_of_moved_images(files: Files) -> None:
    stored = stored_in(files.features("own"))["all"]
    model, images = tiny_model(), tensors()
    weights = class_weights(model.encode_text, model.tokenizer, CLASSES, prompt_pool("single")).double()
    moved = images + 0.01 * plain_gradient(images, weights, 100.0).sign().float()
    torch.testing.assert_close(stored, encode_image(frozen(), moved), rtol=0, atol=2e-5)
    apart = (stored - files.plain_features()).abs().amax(dim=1)
    assert apart.min() > 1e-3


def test_every_dataset_has_its_own(files: Files) -> None:
    stored = stored_in(files.features("own"))
    assert {name: len(features) for name, features in stored.items()} == {"all": 24, "few": 5}
    torch.testing.assert_close(stored["few"], stored["all"][:5], rtol=0, atol=ROUNDING)


def test_without_a_step_they_are_the_plain_ones(files: Files) -> None:
    stored = stored_in(files.features("none", epsilon=0.0))["all"]
    torch.testing.assert_close(stored, files.plain_features(), rtol=0, atol=ROUNDING)


def test_batches_do_not_matter(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stored_in(files.features("whole"))["all"]
    monkeypatch.setattr(features, "BATCH", 7)
    monkeypatch.setattr(under_classes, "BATCH", 3)
    parts = stored_in(files.features("parts"))["all"]
    torch.testing.assert_close(parts, whole, rtol=0, atol=2e-5)


def test_the_same_bytes_again(files: Files) -> None:
    first = files.features("first").read_bytes()
    torch.manual_seed(4321)
    assert files.features("again").read_bytes() == first
    assert files.features("other", classes=["sun", "moon"]).read_bytes() != first


def test_the_header_says_what_made_it(files: Files) -> None:
    _, header = read_safetensors(files.features("own", epsilon=0.0014), "clipn-perturbed-features-2")
    assert json.loads(header.pop("manifests")) == {"all": file_hash(files.manifest), "few": file_hash(files.few)}
    assert header == {
        "format": "clipn-perturbed-features-2",
        "backbone": file_hash(files.backbone),
        "classes": hashlib.sha256(b"dog\ncat\nold boat\n").hexdigest(),
        "prompts": "single",
        "templates": pool_hash("single"),
        "logit_scale": "100.0",
        "epsilon": "0.0014",
    }


def test_a_pool_of_the_user(files: Files) -> None:
    pool = files.backbone.parent / "mine.txt"
    pool.write_text("a photo of a {}.\n")
    path = files.features("mine", prompts=str(pool))
    mine, own = (stored_in(file)["all"] for file in (path, files.features("own")))
    assert torch.equal(mine, own)
    assert read_safetensors(path, PERTURBED_FORMAT)[1]["prompts"] == "mine"


def test_the_backbones_own_scale(files: Files) -> None:
    _, header = read_safetensors(files.features("own", logit_scale=None), PERTURBED_FORMAT)
    clip, _ = load_backbone(files.backbone)
    assert float(header["logit_scale"]) == clip.logit_scale.exp().item()


# Refusals

WRONG = {
    "another": ([*IMAGES[:5], Image("5.png", 0, IMAGES[0].content), *IMAGES[6:]], "does not list this 5.png next"),
    "swapped": ([IMAGES[1], IMAGES[0], *IMAGES[2:]], "does not list this 1.png next"),
    "more": ([*IMAGES, Image("z.png", 0, IMAGES[0].content)], "does not list this z.png next"),
    "fewer": (IMAGES[:-2], "lists 24 images, found 22; verify the dataset again"),
    "none": ([], "lists 24 images, found 0; verify the dataset again"),
}


@pytest.mark.parametrize("perturb", [False, True])
@pytest.mark.parametrize("what", WRONG)
def test_images_that_are_not_the_manifests(files: Files, what: str, perturb: bool) -> None:
    images, complaint = WRONG[what]
    output = files.backbone.parent / "output"
    plain = partial(cache_image_features, files.backbone, {output: (files.manifest, iter(images))})
    with pytest.raises(ClipnError, match=f"manifest.parquet: {complaint}"):
        files.features("output", images=images) if perturb else plain()
    assert not output.exists()


def test_other_mistakes(files: Files, tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="classes: the perturbation needs the names of ID classes"):
        files.features("own", classes=[])
    with pytest.raises(ClipnError, match="no pool 'triple'; choose one of"):
        files.features("own", prompts="triple")
    with pytest.raises(ClipnError, match=r"backbone\.safetensors: holds 'clipn-backbone-1', expected 'clipn-perturbed"):
        read_perturbed_features(files.backbone)
    with pytest.raises(ClipnError, match="nowhere: no such file"):
        read_perturbed_features(tmp_path / "nowhere")
