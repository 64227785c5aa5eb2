"""A training of the smallest size: 18 captioned images in two shards, a tiny backbone, and what it says of them."""

import csv
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image

from clipn.data.archives import write_archive
from clipn.data.shards import ShardImages, index_shards
from clipn.features.captions import cache_caption_features, cache_caption_images
from clipn.model.backbone import save_backbone
from clipn.training.clipn import TrainingFiles, train
from clipn.training.settings import Variant
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip

CAPTIONS = [
    f"{opening} {colour} {thing}"
    for opening in ("a", "the tiny little", "photo of my very own")
    for colour in ("red", "blue")
    for thing in ("dog", "cat", "old boat in the harbour")
]
ROWS = range(len(CAPTIONS))
DEADLINE = 120.0
SETTINGS = {"epochs": 3, "batch_size": 8, "prompts": 3, "augmentation": "none"}


@dataclass(frozen=True)
class TinyRun:
    """Files of a training, made in `folder`."""

    folder: Path
    files: TrainingFiles

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def train(
        self, name: str, seed: int = 1, workers: int = 0, device: str = "cpu", **settings: Any
    ) -> tuple[Path, Path]:
        """Checkpoint and log."""
        output, log = self.folder / f"{name}.safetensors", self.folder / f"{name}.csv"
        variant = Variant(**SETTINGS | settings)
        metadata = {"run": "tiny/learnable"}
        train(self.files, variant, seed, output, log, metadata, self.work, device, workers=workers)
        return output, log

    def options(self, name: str) -> list[str]:
        """What `train(name)` is on the command line, up to the settings that are given beside `SETTINGS`."""
        files = self.files
        assert files.captions is not None
        assert files.images is not None
        named = {"backbone": files.backbone, "index": files.index, "captions": files.captions, "images": files.images}
        named |= {"output": self.folder / f"{name}.safetensors", "history": self.folder / f"{name}.csv"}
        values = named | {"name": "tiny/learnable", "seed": 1, "work": self.work} | SETTINGS
        options = [word for key, value in values.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        return ["train", *options]


def tiny_run(folder: Path, clip: open_clip.CLIP | None = None, pictures: Sequence[int] = ROWS) -> TinyRun:
    """`pictures`: seed of every sample's pixels."""
    shards = [folder / "0.tar", folder / "1.tar"]
    samples = zip(ROWS, CAPTIONS, pictures, strict=True)
    members = [member for row, caption, picture in samples for member in _members(row, caption, picture)]
    for shard, part in zip(shards, (members[:16], members[16:]), strict=True):
        write_archive(shard, part)
    index, backbone = folder / "index.parquet", folder / "backbone.safetensors"
    index_shards(shards, index)
    save_backbone(backbone, clip or tiny_clip(), ARCHITECTURE, "tiny")
    files = TrainingFiles(backbone, index, folder / "captions.safetensors", folder / "views0.safetensors", shards)
    assert files.captions is not None
    assert files.images is not None
    cache_caption_features(backbone, index, files.captions)
    cache_caption_images(backbone, index, ShardImages(index, shards), 0, files.images, workers=0)
    return TinyRun(folder, files)


def forked(target: Callable[..., None], *argument_lists: tuple[Any, ...]) -> list[int | None]:
    """Call `target` with each list of arguments in a process of its own, at the same time; their exit codes.

    They are forks, which saves importing torch once more; so tests keep to one thread.
    """
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=target, args=arguments) for arguments in argument_lists]
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLINE)
        process.kill()
    return [process.exitcode for process in processes]


def read_log(log: Path) -> list[dict[str, float]]:
    with log.open(newline="") as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def _members(row: int, caption: str, picture: int) -> list[tuple[str, bytes]]:
    pixels = np.random.default_rng(picture).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    content = BytesIO()
    PIL.Image.fromarray(pixels).save(content, "PNG")
    return [(f"{row:09d}.png", content.getvalue()), (f"{row:09d}.txt", caption.encode())]
