"""What a GPU computes is what the CPU computes, up to rounding; the first tests to run every road to it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipn import Detector, load
from clipn.data.shards import ShardImages
from clipn.features.captions import cache_caption_features, cache_caption_images
from clipn.features.local import best_patch
from clipn.features.negative_labels import cache_negative_labels
from clipn.features.perturbed import perturbed
from clipn.features.stored import read_negative_labels
from clipn.features.texts import TextEncoder
from clipn.model.patches import patch_features
from clipn.model.tensors import read_tensors
from clipn.training.backbone import BackboneFiles, train_backbone
from clipn.training.resume import Interrupted
from clipn.training.settings import BackboneTraining
from clipn.training.trainer import Trainer
from tests.helpers.tiny_model import taught_model, tiny_clip, unit
from tests.helpers.tiny_run import CAPTIONS, TinyRun, read_log, tiny_run
from tests.training.test_resume import stopping_at

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
]

DEVICE = "cuda"
ROOT = Path(__file__).parents[2]
ENCODED = 2e-3
"""Convolutions are TF32 on a GPU unless forbidden; its products have three digits."""
LOSSES = {"fp32": 2e-2, "bf16": 5e-2, "fp16": 5e-2}


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return tiny_run(tmp_path)


def totals(log: Path) -> list[float]:
    return [row["total"] for row in read_log(log)]


def tensors_apart(one: Path, other: Path) -> float:
    ours, theirs = read_tensors(one), read_tensors(other)
    return max(float((value.double() - theirs[name].double()).abs().max()) for name, value in ours.items())


def test_towers_give_the_features_of_the_cpu() -> None:
    model = taught_model()
    images, tokens = torch.randn(8, 3, 32, 32), model.tokenizer(CAPTIONS)
    expected = model.encode_image(images), model.encode_text(tokens), model.encode_no_text(tokens)
    model = model.to(DEVICE)
    found = (
        model.encode_image(images.to(DEVICE)),
        model.encode_text(tokens.to(DEVICE)),
        model.encode_no_text(tokens.to(DEVICE)),
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, atol=ENCODED, rtol=0)


def test_caches_hold_the_features_of_the_cpu(run: TinyRun) -> None:
    files, captions, images = run.files, run.folder / "captions.cuda", run.folder / "images.cuda"
    cache_caption_features(files.backbone, files.index, captions, DEVICE)
    cache_caption_images(files.backbone, files.index, ShardImages(files.index, files.shards), 0, images, 1, DEVICE)
    assert files.captions is not None
    assert files.images is not None
    assert tensors_apart(captions, files.captions) < ENCODED
    assert tensors_apart(images, files.images) < ENCODED


def test_the_detector_scores_as_on_the_cpu() -> None:
    model, images = taught_model(), unit(6)
    expected = Detector(model, ["red dog", "blue cat"], "single").score(images)
    found = Detector(model.to(DEVICE), ["red dog", "blue cat"], "single").score(images)
    np.testing.assert_allclose(found.cpu().numpy(), np.asarray(expected), atol=1e-2)


def test_negative_labels_are_those_of_the_cpu(run: TinyRun) -> None:
    words = {"noun": [f"{colour} thing {n}" for colour in ("red", "blue") for n in range(20)]}
    outputs = {device: run.folder / f"{device}.negatives" for device in ("cpu", DEVICE)}
    for device, output in outputs.items():
        cache_negative_labels(TextEncoder(run.files.backbone, device), {output: ["dog", "cat"]}, words)
    labels, expected = (read_negative_labels(output)[0] for output in outputs.values())
    np.testing.assert_allclose(labels, expected, atol=ENCODED, rtol=0)


def test_perturbed_images_stay_on_the_device() -> None:
    clip, weights = tiny_clip().requires_grad_(False).to(DEVICE), unit(3).double().to(DEVICE)
    images = torch.randn(2, 3, 32, 32, device=DEVICE)
    moved = perturbed(clip, images, weights, 100.0, 0.01)
    assert moved.device == images.device
    torch.testing.assert_close((moved - images).abs().amax(), torch.tensor(0.01, device=DEVICE))


def test_patches_are_those_of_the_cpu() -> None:
    clip, weights, images = tiny_clip().requires_grad_(False), unit(3).double(), torch.randn(2, 3, 32, 32)
    expected = best_patch(patch_features(clip, images), weights)
    found = best_patch(patch_features(clip.to(DEVICE), images.to(DEVICE)), weights.to(DEVICE))
    assert found.device.type == DEVICE
    torch.testing.assert_close(found.cpu(), expected, atol=ENCODED, rtol=0)


@pytest.mark.parametrize("precision", LOSSES)
def test_training_has_the_losses_of_the_cpu(run: TinyRun, precision: str) -> None:
    expected = totals(run.train("cpu")[1])
    found = totals(run.train(DEVICE, device=DEVICE, precision=precision)[1])
    assert found == pytest.approx(expected, abs=LOSSES[precision])


@pytest.mark.parametrize(
    "settings",
    [
        {"augmentation": "online"},
        {"no_texts": "handcrafted"},
        {"temperature": "learnable", "losses": "tso", "tokens": 4},
        {"micro_batch": 3, "augmentation": "online"},
    ],
)
def test_every_kind_of_training_has_the_losses_of_the_cpu(run: TinyRun, settings: dict[str, Any]) -> None:
    expected = totals(run.train("cpu", **settings)[1])
    found = totals(run.train(DEVICE, device=DEVICE, workers=1, **settings)[1])
    assert found == pytest.approx(expected, abs=LOSSES["fp32"])


@pytest.mark.parametrize("precision", LOSSES)
def test_several_passes_are_one_batch(run: TinyRun, precision: str) -> None:
    whole = totals(run.train("whole", device=DEVICE, precision=precision)[1])
    passes = totals(run.train("passes", device=DEVICE, precision=precision, micro_batch=3)[1])
    assert passes == pytest.approx(whole, abs=LOSSES[precision])


@pytest.mark.parametrize("precision", LOSSES)
def test_stopped_and_resumed_it_ends_as_undisturbed(
    run: TinyRun, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, log = run.train("undisturbed", device=DEVICE, precision=precision)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", stopping_at(4, signal.SIGTERM))
        with pytest.raises(Interrupted):
            run.train("run", device=DEVICE, precision=precision)
    resumed, resumed_log = run.train("run", device=DEVICE, precision=precision)
    assert totals(resumed_log) == pytest.approx(totals(log), abs=1e-3)
    assert tensors_apart(resumed, undisturbed) < 1e-3


def test_a_checkpoint_of_the_gpu_is_read_on_both(run: TinyRun) -> None:
    checkpoint, _ = run.train("run", device=DEVICE, epochs=1)
    models = {device: load(checkpoint, device) for device in ("cpu", DEVICE)}
    features = [
        model.encode_no_text(model.tokenizer(["a dog"]).to(device)).detach().cpu() for device, model in models.items()
    ]
    torch.testing.assert_close(*features, atol=ENCODED, rtol=0)


def test_a_backbone_learns_as_on_the_cpu(run: TinyRun) -> None:
    settings = BackboneTraining(epochs=2, batch_size=6, warmup_steps=2, learning_rate=1e-4, threads=1)
    logs = []
    for device in ("cpu", DEVICE):
        output, log = run.folder / f"{device}.backbone", run.folder / f"{device}.csv"
        architecture = str(ROOT / "config/architectures/tiny.json")
        train_backbone(
            "tiny", BackboneFiles(run.files.shards, run.files.index), settings, output, log, architecture, device
        )
        logs.append([row["loss"] for row in read_log(log)])
    assert logs[1] == pytest.approx(logs[0], abs=5e-2)


def test_the_command_line_trains_under_its_arithmetic(run: TinyRun) -> None:
    """In a process of its own, whose kernels are held before torch is imported, started as several would be."""
    launcher = ["torch.distributed.run", "--nproc-per-node", "1", "--master-port", "29511", "-m", "tests.gpu.command"]
    arguments = ["--arithmetic", "cuda", *run.options("run"), "--device", DEVICE]
    ended = subprocess.run(
        [sys.executable, "-m", *launcher, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert totals(run.folder / "run.csv") == pytest.approx(totals(run.train("cpu")[1]), abs=LOSSES["fp32"])


def test_nccl_gathers_and_sums() -> None:
    launcher = ["torch.distributed.run", "--nproc-per-node", "1", "--master-port", "29512", "-m", "tests.gpu.alone"]
    ended = subprocess.run(
        [sys.executable, "-m", *launcher, DEVICE], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert "gathered" in ended.stdout
