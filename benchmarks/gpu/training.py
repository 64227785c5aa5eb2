"""Samples per second of training the "no" tower, by where its image features come from, and what limits it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.measurement import Row, Rows, Size, synchronize
from benchmarks.training import Bench, timed
from clipn.features.captions import read_caption_features
from clipn.features.crops import crop_loader, training_crop
from clipn.model.clipn import CLIPN, encode_image
from clipn.planning.flops import measure
from clipn.training.batches import LocalBatches
from clipn.training.settings import Variant

TRAINING = 3
"""A training step in forward passes: gradients cost two. A second forward pass in several passes is not counted."""
PASS = 512
"""Samples per pass of the large batch."""
PINNED = "pinned"
PROFILED, LONGEST = 2, 12
"""Steps that are profiled, and kernels that are named."""
Images = Callable[[CLIPN, LocalBatches], Iterator[Tensor]]


def settings(size: Size, batch: int, precision: str) -> Variant:
    """Of a training on the benchmark's samples."""
    passes = None if batch == size.batch else min(PASS, size.batch)
    return Variant(epochs=size.epochs, batch_size=batch, precision=precision, micro_batch=passes, threads=2)


def training(bench: Bench, size: Size) -> Rows:
    """Rows by batch: cached, images on the device, decoded ahead, online; then other precisions, and the loader."""
    for batch in (size.batch, size.large):
        of_batch = bench.under(settings(size, batch, "bf16"))
        yield f"training, cached, bf16, batch {batch}", partial(_cached, of_batch)
        yield f"training, images on the device, bf16, batch {batch}", partial(_resident, of_batch, bench.device)
        yield f"training, images decoded ahead, bf16, batch {batch}", partial(_resident, of_batch, "cpu")
        if bench.device == "cuda":
            name = f"training, images decoded ahead into pinned memory, bf16, batch {batch}"
            yield name, partial(_resident, of_batch, PINNED)
        yield f"training, online, bf16, batch {batch}", partial(_online, of_batch)
    yield f"loader alone, {bench.workers} workers", partial(_loader, bench.under(settings(size, size.batch, "bf16")))
    yield (
        "profile of a step, images on the device, bf16, milliseconds",
        partial(_profile, bench.under(settings(size, size.batch, "bf16"))),
    )
    for precision in ("fp16", "fp32"):
        other = bench.under(settings(size, size.batch, precision).model_copy(update={"epochs": 1}))
        yield (
            f"training, images on the device, {precision}, batch {size.batch}",
            partial(_resident, other, bench.device),
        )
    free = bench.under(settings(size, size.batch, "bf16"))
    for memory_only in (True, False):
        what = "memory not filled" if memory_only else "any kernels"
        name = f"training, images on the device, bf16, batch {size.batch}, {what}"
        yield name, partial(_undetermined, free, memory_only)


def _cached(bench: Bench) -> Row:
    return _measured(bench, bench.cached, encodes=False)


def _resident(bench: Bench, where: str) -> Row:
    """With one batch of crops that is decoded already and lies in the memory of `where`."""
    return _measured(bench, _same_crops(bench, where), encodes=True)


def _online(bench: Bench) -> Row:
    """From the first batch asked for to the end: workers deliver in bursts, of which a median would see one side."""
    row = _measured(bench, bench.online, encodes=True)
    return row | {"samples_per_second": row["steps"] * bench.settings.batch_size / row["seconds"]}


def _same_crops(bench: Bench, where: str) -> Images:
    side = bench.config["vision_cfg"]["image_size"]
    crops = torch.randn(bench.settings.batch_size, 3, side, side, generator=torch.Generator().manual_seed(0))
    crops = crops.pin_memory() if where == PINNED else crops.to(where)

    def encoded(model: CLIPN, batches: LocalBatches) -> Iterator[Tensor]:
        return (batches.encode(partial(encode_image, model.clip), batch) for batch in repeat(crops))

    return encoded


def _measured(bench: Bench, images: Images, *, encodes: bool) -> Row:
    on_gpu = bench.device == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    starts = []

    def noted(model: CLIPN, batches: LocalBatches) -> Iterator[Tensor]:
        starts.append(time.perf_counter())
        return images(model, batches)

    median, losses = timed(bench.pipeline(noted), bench.device)
    seconds = time.perf_counter() - starts[0]
    image, text = _operations(bench)
    return {
        "samples_per_second": bench.settings.batch_size / median,
        "operations_per_sample": TRAINING * text + (image if encodes else 0),
        "precision": bench.settings.precision,
        "peak_memory": torch.cuda.max_memory_allocated() if on_gpu else None,
        "steps": len(losses),
        "seconds": seconds,
        "first_loss": losses[0][-1],
        "last_loss": losses[-1][-1],
    }


def _operations(bench: Bench) -> tuple[int, int]:
    """Of the forward pass of an image, and of a text of the captions' mean length."""
    tokens = read_caption_features(bench.captions, bench.backbone, bench.index)["tokens"]
    costs = measure(bench.name, round(float(tokens.argmax(dim=-1).float().mean())) + 1)
    return costs.image, costs.text


def _profile(bench: Bench) -> Row:
    """Milliseconds of a step that the device spends in each kernel, the longest first, and how long it does nothing."""
    on_gpu = bench.device == "cuda"
    steps = bench.pipeline(_same_crops(bench, bench.device))
    for _ in range(PROFILED):
        next(steps)
    start = time.perf_counter()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiled:
        for _ in range(PROFILED):
            next(steps)
        synchronize(bench.device)
        wall = 1000 * (time.perf_counter() - start) / PROFILED
    kernels = [
        (event.key[:70], (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1000 / PROFILED)
        for event in profiled.key_averages()
        if not on_gpu or event.device_type.name == "CUDA"
    ]
    busy = sum(milliseconds for _, milliseconds in kernels)
    longest = sorted(kernels, key=lambda kernel: -kernel[1])[:LONGEST]
    return {"wall": wall, "busy": busy, "kernels": len(kernels), "longest": dict(longest)}


def _loader(bench: Bench) -> Row:
    rows = range(len(bench.images))
    batch = bench.settings.batch_size
    items = [[(row, row) for row in rows[start : start + batch]] for start in rows[::batch]] * bench.settings.epochs
    start = time.perf_counter()
    samples = sum(len(crops) for crops in crop_loader(bench.images, training_crop(bench.config), items, bench.workers))
    return {"samples_per_second": samples / (time.perf_counter() - start)}


def _undetermined(bench: Bench, memory_only: bool) -> Row:
    with undetermined(memory_only):
        return _resident(bench, bench.device)


@contextmanager
def undetermined(memory_only: bool) -> Iterator[None]:
    """Without what `prepare_torch` asks for: the filling of fresh memory, or deterministic kernels altogether."""
    # `torch.utils.deterministic` is an object that answers as a module, which type checkers do not see.
    memory: Any = torch.utils.deterministic
    memory.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(memory_only, warn_only=True)
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = True
        torch.use_deterministic_algorithms(True, warn_only=True)
