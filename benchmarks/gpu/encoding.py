"""Images and texts per second of the frozen towers, and how far lower precision moves their features."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.gpu.measurement import Row, Rows, Size, seconds_of
from benchmarks.training import Bench
from clipn.features.captions import cache_caption_features, cache_caption_images, read_caption_features
from clipn.model.clipn import encode_image, encode_in_batches, encode_text
from clipn.planning.flops import measure

PRECISIONS = ("fp32", "tf32", "bf16")


@contextmanager
def computing_in(precision: str, device: str) -> Iterator[None]:
    """Matrix products in this precision; `fp32` is torch's default, in which cuDNN's convolutions are TF32."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        torch.set_float32_matmul_precision("highest")


def ceilings(size: Size, device: str) -> Rows:
    """What the device can do: matrix products, and copies to it."""

    def product(precision: str) -> Row:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        a, b = (torch.randn(size.product, size.product, device=device, dtype=dtype) for _ in range(2))
        with computing_in("tf32" if precision == "tf32" else "fp32", device):
            seconds = seconds_of(lambda: a @ b, device)
        return {"precision": precision, "operations_per_second": 2 * size.product**3 / seconds}

    def copies(pinned: bool) -> Row:
        host = torch.randn(size.batch, 3, 224, 224)
        host = host.pin_memory() if pinned else host
        seconds = seconds_of(lambda: host.to(device, non_blocking=pinned), device)
        return {"bytes_per_second": host.nbytes / seconds, "bytes": host.nbytes}

    for precision in PRECISIONS:
        yield f"matrix product, {precision}", partial(product, precision)
    yield "copy of a batch to the device, pageable memory", partial(copies, False)
    if device == "cuda":
        yield "copy of a batch to the device, pinned memory", partial(copies, True)


def encoding(bench: Bench, size: Size) -> Rows:
    """Rows of images by precision and batch, of texts, and of the commands that fill caches."""
    images = _images(max(size.images), bench.config["vision_cfg"]["image_size"]).to(bench.device)
    tokens = read_caption_features(bench.captions, bench.backbone, bench.index)["tokens"]
    length = float(tokens.argmax(dim=-1).float().mean()) + 1
    costs = measure(size.architecture, round(length))
    per_image, per_text = {"operations_per_sample": costs.image}, {"operations_per_sample": costs.text}
    image, text = partial(encode_image, bench.clip), partial(encode_text, bench.clip)
    for precision in PRECISIONS:
        for batch in size.images:
            call = partial(_encoded, image, images[:batch], precision, bench.device)
            yield f"images, {precision}, {batch} at once", partial(_rate, call, batch, precision, bench, per_image)
        yield f"image features, {precision} against fp32", partial(_apart, image, images, precision, bench.device)
    yield "image features, fp32, convolutions in fp32, too", partial(_convolutions_apart, image, images, bench.device)
    for precision in PRECISIONS:
        call = partial(_texts, text, tokens, precision, bench.device)
        row = per_text | {"tokens": length}
        yield f"texts, {precision}", partial(_rate, call, len(tokens), precision, bench, row)
        yield f"text features, {precision} against fp32", partial(_apart, text, tokens[:1024], precision, bench.device)
    yield "command `features captions`, fp32", partial(_caption_features, bench)
    yield "command `features caption-images`, fp32", partial(_caption_images, bench)


def _images(n: int, side: int) -> Tensor:
    """Normalised images (n, 3, side, side) with as much structure as photographs have between their pixels."""
    coarse = torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return interpolate(coarse, size=side, mode="bicubic")


@torch.inference_mode()
def _encoded(tower: Callable[[Tensor], Tensor], batch: Tensor, precision: str, device: str) -> Tensor:
    with computing_in(precision, device):
        return tower(batch)


def _texts(tower: Callable[[Tensor], Tensor], tokens: Tensor, precision: str, device: str) -> Tensor:
    with computing_in(precision, device):
        return encode_in_batches(tower, tokens, device)


def _rate(call: Callable[[], Any], samples: int, precision: str, bench: Bench, row: Row) -> Row:
    return {"samples_per_second": samples / seconds_of(call, bench.device), "precision": precision, **row}


def _apart(tower: Callable[[Tensor], Tensor], batch: Tensor, precision: str, device: str) -> Row:
    batch = batch.to(device)
    return _difference(*(_encoded(tower, batch, name, device) for name in (precision, "fp32")))


def _convolutions_apart(tower: Callable[[Tensor], Tensor], batch: Tensor, device: str) -> Row:
    default = _encoded(tower, batch, "fp32", device)
    allowed, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        return {"tf32_was_allowed": allowed, **_difference(default, _encoded(tower, batch, "fp32", device))}
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _difference(one: Tensor, other: Tensor) -> Row:
    cosines = (one.double() * other.double()).sum(dim=1)
    return {"largest_difference": float((one - other).abs().max()), "smallest_cosine": float(cosines.min())}


def _caption_features(bench: Bench) -> Row:
    output = bench.captions.with_name("again.safetensors")
    arguments = (bench.backbone, bench.index, output, bench.device, bench.settings.threads)
    seconds = seconds_of(lambda: cache_caption_features(*arguments), bench.device, repeats=1)
    return {"samples_per_second": len(bench.images) / seconds}


def _caption_images(bench: Bench) -> Row:
    output = bench.captions.with_name("images-again.safetensors")
    arguments = (bench.backbone, bench.index, bench.images, 0, output, bench.workers)
    # Once: it takes as long as decoding does.
    start = time.perf_counter()
    cache_caption_images(*arguments, bench.device, bench.settings.threads)
    return {"samples_per_second": len(bench.images) / (time.perf_counter() - start), "workers": bench.workers}
