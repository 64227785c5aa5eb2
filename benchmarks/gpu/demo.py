"""The demo's two trainings on the device and on the CPU: losses, detection, and going on after an interruption."""

import csv
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import torch

from benchmarks.gpu.measurement import Row, Rows, Size
from clipn import Detector, load
from clipn.data.archives import write_archive
from clipn.data.shards import ShardImages, index_shards
from clipn.demo.mirror import PHOTO_SIDE
from clipn.demo.world import ALL_CONCEPTS, CONCEPTS, caption, imagine, render
from clipn.features.captions import cache_caption_features, cache_caption_images
from clipn.metrics import auroc
from clipn.model.tensors import read_tensors
from clipn.training.backbone import BackboneFiles, train_backbone
from clipn.training.clipn import TrainingFiles, train
from clipn.training.gradient import Batch
from clipn.training.resume import Interrupted
from clipn.training.settings import BackboneTraining, Variant
from clipn.training.trainer import Trainer

ARCHITECTURE = "config/architectures/tiny.json"
BACKBONE = BackboneTraining(epochs=12, logit_scale=60, threads=8)
VARIANT = Variant(epochs=5, batch_size=256, learning_rate=1e-3, augmentation="none")
"""As in the demo's study, but for the threads, which the CPU's part would take long without."""
METHODS = ("msp", "ctw", "atd")
ID, OOD = "imagenet", "inaturalist"
TOLERANCE = 5.0
"""AUROC points, of `trained_again` in config/published.yaml."""


@dataclass(frozen=True)
class World:
    """The demo's captions with their images, and what is trained on them."""

    folder: Path
    images: int

    @classmethod
    def generate(cls, folder: Path, captions: int, images: int) -> "World":
        """Write a shard and its index; `images` of each benchmark dataset are drawn when they are scored."""
        world = cls(folder, images)
        write_archive(world.shard, _members(captions))
        index_shards([world.shard], world.index)
        return world

    @property
    def shard(self) -> Path:
        """Captions and images."""
        return self.folder / "0.tar"

    @property
    def index(self) -> Path:
        """Of the shard."""
        return self.folder / "index.parquet"

    def file(self, name: str, device: str, suffix: str = "safetensors") -> Path:
        """Something made on a device."""
        return self.folder / device / f"{name}.{suffix}"

    def train_backbone(self, device: str) -> None:
        """The demo's backbone."""
        output, log = self.file("backbone", device), self.file("backbone", device, "csv")
        train_backbone("tiny", BackboneFiles([self.shard], self.index), BACKBONE, output, log, ARCHITECTURE, device)

    def cache(self, backbone: Path, device: str) -> TrainingFiles:
        """Features of captions and images by a backbone."""
        captions, images = self.file("captions", device), self.file("images", device)
        cache_caption_features(backbone, self.index, captions, device)
        cache_caption_images(backbone, self.index, ShardImages(self.index, [self.shard]), 0, images, 0, device)
        return TrainingFiles(backbone, self.index, captions, images)

    def train(self, name: str, files: TrainingFiles, device: str) -> None:
        """The demo's CLIPN."""
        output, log = self.file(name, device), self.file(name, device, "csv")
        train(files, VARIANT, 1, output, log, {"run": name}, self.folder / device / "work", device)

    def aurocs(self, name: str, device: str) -> dict[str, float]:
        """Points of every method, on ID and OOD images of the world."""
        model = load(self.file(name, device), device)
        detector = Detector(model, CONCEPTS[ID], prompts="clipn128_clean")
        sets = []
        for number, dataset in enumerate((ID, OOD)):
            rng = np.random.default_rng([2023, number])
            pictures = (_picture(CONCEPTS[dataset][row % len(CONCEPTS[dataset])], rng) for row in range(self.images))
            sets.append(torch.stack([model.preprocess(picture) for picture in pictures]))
        scores = {method: [detector.score(images, method).cpu().numpy() for images in sets] for method in METHODS}
        return {method: 100 * float(auroc(*pair)) for method, pair in scores.items()}


def demo(folder: Path, size: Size, device: str) -> Rows:
    """Rows: both trainings on both devices, their agreement, and interruptions."""
    world = World.generate(folder, size.captions, size.id_images)
    for where in (device, "cpu"):
        yield f"backbone trained on {where}", partial(_backbone, world, where)
        yield f"CLIPN trained on {where}, on its own backbone", partial(_clipn, world, where)
        if where == device:  # before what takes longest
            yield "interrupted and resumed", partial(_resumed, world, device)
    yield "backbone, losses apart", partial(_apart, world, "backbone", device)
    yield "CLIPN, losses apart", partial(_apart, world, "own", device)
    yield "CLIPN on the backbone of the CPU, losses apart", partial(_on_one_backbone, world, device)


def _backbone(world: World, device: str) -> Row:
    world.train_backbone(device)
    losses = _losses(world.file("backbone", device, "csv"))
    return {"steps": len(losses), "first_loss": losses[0], "last_loss": losses[-1]}


def _clipn(world: World, device: str) -> Row:
    world.train("own", world.cache(world.file("backbone", device), device), device)
    losses = _losses(world.file("own", device, "csv"))
    return {
        "steps": len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "auroc": world.aurocs("own", device),
    }


def _apart(world: World, name: str, device: str) -> Row:
    one, other = (np.array(_losses(world.file(name, where, "csv"))) for where in (device, "cpu"))
    apart = np.abs(one - other)
    return {"first_step": float(apart[0]), "largest": float(apart.max()), "last_step": float(apart[-1])}


def _on_one_backbone(world: World, device: str) -> Row:
    """Apart from the backbone's training, which makes a last digit one of the first."""
    backbone = world.file("backbone", "cpu")
    points = {}
    for where in (device, "cpu"):
        world.train("common", world.cache(backbone, where), where)
        points[where] = world.aurocs("common", where)
    largest = max(abs(points[device][method] - points["cpu"][method]) for method in METHODS)
    return _apart(world, "common", device) | {
        "auroc": points,
        "auroc_apart": largest,
        "within_tolerance": largest <= TOLERANCE,
    }


def _resumed(world: World, device: str) -> Row:
    """Three trainings: undisturbed, undisturbed once more, and stopped by SIGTERM half way."""
    files = world.cache(world.file("backbone", device), device)
    for name in ("undisturbed", "once-more"):
        world.train(name, files, device)
    steps = len(_losses(world.file("undisturbed", device, "csv")))
    _stop_before(steps // 2, world, files, device)
    world.train("stopped", files, device)
    reference = world.file("undisturbed", device)
    row: Row = {}
    for name in ("once-more", "stopped"):
        other = world.file(name, device)
        row |= {f"{name}_same_tensors": _largest_difference(reference, other) == 0}
        row |= {f"{name}_apart": _largest_difference(reference, other)}
    return row


def _stop_before(step: int, world: World, files: TrainingFiles, device: str) -> None:
    advance = Trainer.advance

    def deadly(trainer: Trainer, batch: Batch, epoch: int, rate: float) -> dict[str, float]:
        if trainer.done == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return advance(trainer, batch, epoch, rate)

    Trainer.advance = deadly  # type: ignore[assignment, method-assign]
    try:
        world.train("stopped", files, device)
    except Interrupted:
        return
    finally:
        Trainer.advance = advance  # type: ignore[method-assign]
    raise AssertionError("the training was not stopped")


def _largest_difference(one: Path, other: Path) -> float:
    tensors, others = read_tensors(one), read_tensors(other)
    return max(float((value.double() - others[name].double()).abs().max()) for name, value in tensors.items())


def _losses(log: Path) -> list[float]:
    """The loss of every step, in total."""
    with log.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [float(row.get("total", row.get("loss", "nan"))) for row in rows]


def _members(captions: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(2023)
    for number, position in enumerate(rng.integers(len(ALL_CONCEPTS), size=captions)):
        scene = imagine(ALL_CONCEPTS[position], rng)
        content = BytesIO()
        PIL.Image.fromarray(render(scene, rng, PHOTO_SIDE)).save(content, "JPEG", quality=90, subsampling=0)
        yield f"{number:09d}.jpg", content.getvalue()
        yield f"{number:09d}.txt", caption(scene, rng).encode()


def _picture(concept: str, rng: np.random.Generator) -> PIL.Image.Image:
    return PIL.Image.fromarray(render(imagine(concept, rng), rng, PHOTO_SIDE))
