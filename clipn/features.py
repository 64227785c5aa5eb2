"""Cached features: whatever the frozen towers say once is never computed again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipn.backbone import load_backbone, preprocess, read_safetensors, write_safetensors
from clipn.data.manifest import read_manifest
from clipn.data.readers import Image
from clipn.data.shards import Sample
from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model import encode_text, require_clip_text_tower
from clipn.progress import tracked

IMAGE_FORMAT = "clipn-image-features-1"
CAPTION_FORMAT = "clipn-caption-features-1"
BATCH = 256
DECODERS = 2
"""Threads that decode images ahead of the model."""


def cache_image_features(
    backbone: Path, manifest: Path, images: Iterable[Image], output: Path, device: str = "cpu"
) -> None:
    """Write the unit-norm features (n, d) of a dataset, rows as in its manifest.

    Raises:
        ClipnError: the images are not those of the manifest.
    """
    table = read_manifest(manifest)
    clip, architecture = load_backbone(backbone)
    transform = preprocess(architecture)
    expected = iter(table["path"])

    def load(image: Image) -> Tensor:
        return transform(image.open())

    def checked() -> Iterator[Image]:
        for image in images:
            if image.path != next(expected, None):
                raise ClipnError(f"{manifest}: does not list {image.path} next; index the dataset again")
            yield image

    tensors = tracked(_ahead(load, checked()), len(table), f"features of {manifest.parent.name}", "images")
    features = _encode_images(clip.to(device), tensors, device)
    if len(features) != len(table):
        raise ClipnError(f"{manifest}: lists {len(table)} images, found {len(features)}; index the dataset again")
    header = {"format": IMAGE_FORMAT, "backbone": file_hash(backbone), "manifest": file_hash(manifest)}
    write_safetensors(output, {"image": features}, header)


def cache_caption_features(
    backbone: Path, samples: Iterable[Sample], total: int, output: Path, device: str = "cpu"
) -> None:
    """Write, for every sample, the unit-norm image and "yes" features (n, d) and the tokens (n, length).

    Tokens are cut after the longest caption; the causal mask makes that exact.
    """
    clip, architecture = load_backbone(backbone)
    require_clip_text_tower(clip)
    clip = clip.to(device)
    transform = preprocess(architecture)
    captions: list[str] = []

    def load(sample: Sample) -> Tensor:
        return transform(sample.image.open())

    def noted() -> Iterator[Sample]:
        for sample in samples:
            captions.append(sample.caption)
            yield sample

    image = _encode_images(clip, tracked(_ahead(load, noted()), total, "features of captions", "samples"), device)
    tokens = open_clip.SimpleTokenizer(context_length=clip.context_length)(captions)
    tokens = tokens[:, : int(tokens.argmax(dim=-1).max()) + 1]
    with torch.inference_mode():
        yes = torch.cat([encode_text(clip, part.to(device)).cpu() for part in tokens.split(BATCH)])
    header = {"format": CAPTION_FORMAT, "backbone": file_hash(backbone)}
    write_safetensors(output, {"image": image, "yes": yes, "tokens": tokens.int()}, header)


def read_image_features(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Unit-norm features (n, d) of `cache_image_features`."""
    tensors, _ = read_safetensors(path, IMAGE_FORMAT)
    return tensors["image"].numpy()


def read_caption_features(path: Path) -> dict[str, Tensor]:
    """`image` and `yes` (n, d) float32 and `tokens` (n, length) int64 of `cache_caption_features`."""
    tensors, _ = read_safetensors(path, CAPTION_FORMAT)
    return {**tensors, "tokens": tensors["tokens"].long()}


def _ahead(load: Callable[[Any], Tensor], items: Iterable[Any]) -> Iterator[Tensor]:
    """Apply `load` in a few threads, a bounded way ahead, keeping the order."""
    with ThreadPoolExecutor(DECODERS) as pool:
        waiting: deque[Future[Tensor]] = deque()
        for item in items:
            waiting.append(pool.submit(load, item))
            if len(waiting) > BATCH:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@torch.inference_mode()
def _encode_images(clip: open_clip.CLIP, images: Iterable[Tensor], device: str) -> Tensor:
    parts = []
    stream = iter(images)
    while batch := list(islice(stream, BATCH)):
        parts.append(normalize(clip.encode_image(torch.stack(batch).to(device)).float(), dim=-1).cpu())
    return torch.cat(parts)
