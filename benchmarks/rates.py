"""Floating-point operations per second of one core, from which `clipn study plan` works out hours."""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from clipn.compute import hold

ARCHITECTURE = "ViT-B-32"
SAMPLES, BATCH = 256, 128
"""Images with captions, and how many of them a training step takes; eight steps are taken."""
GIGA = 1e9


def main(
    arithmetic: Annotated[str | None, typer.Argument(help="portable or fast; empty: one after the other")] = None,
    threads: int = 2,
) -> None:
    """Print what images, texts and training reach with the pipeline's own functions."""
    if arithmetic is None:
        for name in ("portable", "fast"):
            # Libraries choose their kernels when they are imported, so each way has a process of its own.
            command = [sys.executable, "-m", "benchmarks.rates", name, f"--threads={threads}"]
            subprocess.run(command, check=True)  # noqa: S603
        return
    hold("portable" if arithmetic == "portable" else "fast")
    from benchmarks import machine
    from clipn.compute import prepare_torch

    prepare_torch("cpu", threads)
    print(f"arithmetic: {arithmetic}, {threads} threads, {ARCHITECTURE}; {machine.description('cpu')}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for what, operations in rates(Path(folder), threads).items():
            print(f"{what}: {operations / threads / GIGA:.1f} GFLOP/s per core", flush=True)


def rates(folder: Path, threads: int) -> dict[str, float]:
    """Operations per second of encoding images, which are decoded beside it, and texts, and of training."""
    from benchmarks.training import Bench, timed
    from clipn.features.captions import cache_caption_images, read_caption_features
    from clipn.model.clipn import encode_in_batches, encode_text
    from clipn.planning.flops import measure
    from clipn.planning.work import training_operations
    from clipn.training.settings import Variant

    settings = Variant(epochs=4, batch_size=BATCH, threads=threads, augmentation="none")
    # All is encoded once before anything is timed.
    bench = Bench(folder, ARCHITECTURE, SAMPLES, settings, "cpu", workers=1)
    tokens = read_caption_features(bench.captions, bench.backbone, bench.index)["tokens"]
    costs = measure(ARCHITECTURE, round(float(tokens.argmax(dim=-1).float().mean()) + 1))
    step, _ = timed(bench.pipeline(bench.cached), "cpu")
    start = time.perf_counter()
    encode_in_batches(partial(encode_text, bench.clip), tokens, "cpu")
    texts = time.perf_counter()
    cache_caption_images(bench.backbone, bench.index, bench.images, 0, bench.plain_images, 1, "cpu", threads)
    images = time.perf_counter()
    return {
        "images": SAMPLES * costs.image / (images - texts),
        "texts": SAMPLES * costs.text / (texts - start),
        "training": training_operations(settings, BATCH, costs) / step,
    }


if __name__ == "__main__":
    typer.run(main)
