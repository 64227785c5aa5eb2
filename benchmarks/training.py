"""Samples per second of the pipeline's training against the plain loop, on the same weights and data in one run."""

import gzip
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from io import BytesIO
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import PIL.Image
import torch
import typer
from torch import Tensor

from benchmarks import machine, plain
from clipn.compute import prepare_torch
from clipn.data.archives import write_archive
from clipn.data.shards import ShardImages, index_shards, read_captions_of
from clipn.demo.world import CONCEPTS, caption, imagine
from clipn.features.captions import (
    cache_caption_features,
    cache_caption_images,
    read_caption_features,
    read_caption_images,
)
from clipn.features.crops import crop_loader, training_crop
from clipn.model.backbone import architecture, build, preprocess, save_backbone
from clipn.model.clipn import CLIPN
from clipn.training.batches import CROP_SEEDS, LocalBatches, Texts, online_images, stored_images, stored_texts
from clipn.training.distributed import ProcessGroup
from clipn.training.gradient import Batch, autocast
from clipn.training.optimizer import learning_rate
from clipn.training.sampler import CROP, PROMPT, Sampler
from clipn.training.settings import Variant
from clipn.training.trainer import Trainer

SIDE = 256
"""Of the generated JPEG images; CC3M is commonly stored at this size."""
WARM_UP = 2
WORKERS = {"cpu": 1, "cuda": 8}
SHARED = Path(os.environ.get("CLIPN_TEST_DATA", "../shared"))
Losses = list[list[float]]


class Bench:
    """A random backbone, generated images with captions, and their caches, in a folder of their own."""

    def __init__(self, folder: Path, name: str, samples: int, settings: Variant, device: str, workers: int) -> None:
        self.name = name
        self.settings = settings
        self.device = device
        self.workers = workers
        self.config = architecture(name)
        torch.manual_seed(0)
        clip = build(self.config)
        self.backbone, self.index, shard = (
            folder / file for file in ("backbone.safetensors", "index.parquet", "0.tar")
        )
        save_backbone(self.backbone, clip, self.config, name)
        self.clip = clip.to(device).requires_grad_(False)
        write_archive(shard, _members(samples))
        index_shards([shard], self.index)
        self.images = ShardImages(self.index, [shard])
        self.sampler = Sampler(samples, settings.batch_size, settings.epochs, seed=0)
        self.captions, self.plain_images = folder / "captions.safetensors", folder / "images.safetensors"
        cache_caption_features(self.backbone, self.index, self.captions, device, settings.threads)
        images = (self.index, self.images, 0, self.plain_images, workers)
        cache_caption_images(self.backbone, *images, device, settings.threads)

    def model(self) -> CLIPN:
        """The same model every time.

        Its "no" tower is no copy any more: there TSO's gradient is rounding alone, which AdamW makes steps of.
        """
        model = CLIPN(deepcopy(self.clip), preprocess(self.config), self.settings.prompts).to(self.device).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            projection = model.no.text_projection
            noise = torch.randn(projection.shape, generator=generator).to(self.device)
            projection.add_(0.1 * projection.std() * noise)
        return model

    def under(self, settings: Variant) -> Self:
        """The same data, trained on with other settings."""
        other = copy(self)
        other.settings = settings
        other.sampler = Sampler(len(self.images), settings.batch_size, settings.epochs, seed=0)
        return other

    def pipeline(self, images: Callable[[CLIPN, LocalBatches], Iterator[Tensor]]) -> Iterator[list[float]]:
        """Losses of each step of the pipeline's training; `images` yields the image features of each."""
        model = self.model()
        stored = read_caption_features(self.captions, self.backbone, self.index)
        trainer = Trainer(model, stored["tokens"], self.settings, ProcessGroup(), self.device)
        batches = LocalBatches(self.sampler, ProcessGroup(), 0, self.device, self.settings.micro_batch)
        texts, features = stored_texts(Texts(stored["yes"], stored["tokens"]), batches), images(model, batches)
        for step in batches.steps:
            with autocast(self.settings, self.device):
                image, (yes, tokens) = next(features), next(texts)
            choice = batches.draw(step, PROMPT, self.settings.prompts + 1)
            batch = Batch(image, yes, tokens, choice, len(tokens))
            rate = learning_rate(self.settings, step, self.sampler.steps)
            yield list(trainer.advance(batch, self.sampler.epoch(step), rate).values())

    def cached(self, model: CLIPN, batches: LocalBatches) -> Iterator[Tensor]:
        """Image features out of the cache."""
        return stored_images(read_caption_images(self.plain_images, self.backbone, self.index, 0), batches)

    def online(self, model: CLIPN, batches: LocalBatches) -> Iterator[Tensor]:
        """Image features of crops, decoded and encoded at every step."""
        return online_images(model.clip, self.images, training_crop(self.config), self.workers, batches)

    def plain(self, *, online: bool) -> Iterator[list[float]]:
        """Losses of each step of the plain loop, on the same samples, draws and crops."""
        model = self.model()
        transform = training_crop(self.config) if online else preprocess(self.config)
        batches = LocalBatches(self.sampler, ProcessGroup(), 0, self.device)
        items = (
            list(zip(batches.rows(step).tolist(), batches.draw(step, CROP, CROP_SEEDS).tolist(), strict=True))
            for step in batches.steps
        )
        captions, tokenizer = read_captions_of(self.index), model.tokenizer

        def inputs() -> Iterator[tuple[Tensor, Tensor, Tensor, float]]:
            loader = crop_loader(self.images, transform, items, self.workers)
            for step, images in enumerate(loader):
                tokens = tokenizer([captions[row] for row in batches.rows(step)])
                choice = batches.draw(step, PROMPT, self.settings.prompts + 1)
                rate = learning_rate(self.settings, step, self.sampler.steps)
                yield images.to(self.device), tokens.to(self.device), choice, rate

        with autocast(self.settings, self.device):
            for losses in plain.steps(model.clip, model.no, inputs(), self.settings.weight_decay):
                yield losses.tolist()


def timed(steps: Iterator[list[float]], device: str) -> tuple[float, Losses]:
    """Median seconds of a step, the first ones left out, and the losses of all."""
    seconds, losses, start = [], [], time.perf_counter()
    for step in steps:
        if device == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        seconds.append(now - start)
        losses.append(step)
        start = now
    return statistics.median(seconds[WARM_UP:]), losses


def main(
    name: Annotated[str, typer.Option("--architecture", help="open_clip name or JSON file")] = "ViT-B-32",
    batch_size: int = 32,
    steps: int = 10,
    threads: int = 2,
    precision: str = "fp32",
    device: str = "cpu",
) -> None:
    """Print samples per second of both loops, with cached and with online images, and how far their losses differ."""
    prepare_torch(device, threads)
    settings = Variant(epochs=1, batch_size=batch_size, threads=threads, precision=precision)
    print(f"{name}, batch {batch_size}, {precision}, {steps} steps; {machine.description(device)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), name, batch_size * steps, settings, device, WORKERS[device])
        for online, images in ((False, "cached images"), (True, "online images")):
            ours, our_losses = timed(bench.pipeline(bench.online if online else bench.cached), device)
            theirs, their_losses = timed(bench.plain(online=online), device)
            apart = np.abs(np.array(our_losses) - np.array(their_losses)).max()
            print(
                f"{images}: {batch_size / ours:.1f} samples/s, plain loop {batch_size / theirs:.1f}:"
                f" {theirs / ours:.2f}x; losses at most {apart:.1e} apart"
            )


def _members(samples: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    for number, text in enumerate(_captions(samples)):
        coarse = PIL.Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        content = BytesIO()
        coarse.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
        yield f"{number:09d}.jpg", content.getvalue()
        yield f"{number:09d}.txt", text.encode()


def _captions(samples: int) -> list[str]:
    """Real captions of CC3M where they are at hand, else those of the demo."""
    path = SHARED / "real" / "Validation_GCC-1.1.0-Validation.tsv.gz"
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [line.split("\t")[0] for line, _ in zip(lines, range(samples), strict=False)]
    rng = np.random.default_rng(0)
    return [caption(imagine(CONCEPTS["imagenet"][0], rng), rng) for _ in range(samples)]


if __name__ == "__main__":
    typer.run(main)
