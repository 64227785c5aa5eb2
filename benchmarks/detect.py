"""Images per second of `clipn detect` against the bare encoder, and its memory over very many images, in one run."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import PIL.Image
import psutil
import torch
import typer

import clipn
from benchmarks import machine
from clipn.compute import prepare_torch
from clipn.data.image_files import find_images
from clipn.evaluation.detect import detect_files
from clipn.features.loading import FileReading
from clipn.model.backbone import architecture, build, save_backbone

SMALL = "config/architectures/tiny.json"
CLASSES = ["dog", "child", "horse"]
BATCH = 32
SIDE = 32
"""Pixels of the generated images."""
PARTS = 10
"""How often memory is looked at."""


def detector(name: str, folder: Path) -> clipn.Detector:
    """One on plain CLIP of random weights."""
    torch.manual_seed(0)
    config = architecture(name)
    path = folder / "backbone.safetensors"
    save_backbone(path, build(config), config, "random")
    made = clipn.Detector(clipn.open_model(path), CLASSES, "single")
    # Texts are encoded once, whatever the number of images.
    made.classify(torch.eye(1, config["embed_dim"]))
    return made


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare(made: clipn.Detector, images: int) -> None:
    """The encoder alone, on images that are there."""
    batch = torch.randn(BATCH, 3, *made.model.image_size)
    with torch.inference_mode():
        for start in range(0, images, BATCH):
            made.model.encode_image(batch[: min(BATCH, images - start)])


def generated(folder: Path, images: int) -> list[str]:
    """Small images of random colours."""
    rng = np.random.default_rng(0)
    for number in range(images):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(rng.integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)).save(path, compress_level=0)
    return find_images([str(folder)]).images


def memory(made: clipn.Detector, files: list[str]) -> Iterator[tuple[int, float]]:
    """Images so far, and MiB that the process holds."""
    process = psutil.Process()
    for number, _ in enumerate(detect_files(made, files, reading=FileReading(BATCH)), 1):
        if number % max(1, len(files) // PARTS) == 0:
            yield number, process.memory_info().rss / 2**20


def main(
    folder: Annotated[Path, typer.Argument(exists=True, help="folder of photographs")],
    name: Annotated[str, typer.Option("--architecture", help="of the encoder")] = "ViT-B-32",
    many: Annotated[int, typer.Option(help="generated images, for memory")] = 100_000,
    rounds: int = 3,
    threads: int = 2,
) -> None:
    """Print the medians of alternating rounds, and memory."""
    prepare_torch("cpu", threads)
    with tempfile.TemporaryDirectory() as temporary:
        made, files = detector(name, Path(temporary)), find_images([str(folder)]).images
        reading = FileReading(BATCH)
        ours, encoder = [], []
        for _ in range(rounds):
            ours.append(seconds(lambda: list(detect_files(made, files, reading=reading))))
            encoder.append(seconds(lambda: bare(made, len(files))))
        print(machine.description("cpu"))
        rates = [len(files) / statistics.median(times) for times in (ours, encoder)]
        share = statistics.median(theirs / own for own, theirs in zip(ours, encoder, strict=True))
        print(
            f"{name}, {len(files):,} images: {rates[0]:.1f} images/s; encoder alone {rates[1]:.1f}; {share:.0%} of it"
        )
        small = detector(SMALL, Path(temporary))
        for number, held in memory(small, generated(Path(temporary) / "many", many)):
            print(f"{number:,} images: {held:,.0f} MiB")


if __name__ == "__main__":
    typer.run(main)
