"""Cached features: whatever the frozen towers say once is never computed again."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from clipn.backbone import load_backbone, preprocess, read_safetensors, write_safetensors
from clipn.crops import crop_loader, training_crop
from clipn.data.manifest import read_manifest
from clipn.data.readers import Image
from clipn.data.shards import ShardImages, read_tokens_of
from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model import encode_image, encode_in_batches, encode_text, require_clip_text_tower
from clipn.progress import tracked
from clipn.tokens import padded

T = TypeVar("T")
IMAGE_FORMAT = "clipn-image-features-1"
CAPTION_FORMAT = "clipn-caption-features-2"
CAPTION_IMAGE_FORMAT = "clipn-caption-images-1"
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
    clip, architecture = load_backbone(backbone)
    clip = clip.to(device)
    with torch.inference_mode():
        parts = [encode_image(clip, batch.to(device)).cpu() for batch in image_batches(manifest, images, architecture)]
    header = {"format": IMAGE_FORMAT, "backbone": file_hash(backbone), "manifest": file_hash(manifest)}
    write_safetensors(output, {"image": torch.cat(parts)}, header)


def cache_caption_features(backbone: Path, index: Path, output: Path, device: str = "cpu") -> None:
    """Write, for every sample of a shards' index, the unit-norm "yes" features (n, d) and the tokens (n, length).

    Tokens are cut after the longest caption; the causal mask makes that exact.
    """
    clip, _ = load_backbone(backbone)
    require_clip_text_tower(clip)
    clip = clip.to(device)
    tokens = torch.from_numpy(padded(read_tokens_of(index), clip.context_length))
    tokens = tokens[:, : int(tokens.argmax(dim=-1).max()) + 1]
    yes = encode_in_batches(partial(encode_text, clip), tokens, device)
    header = {"format": CAPTION_FORMAT, "backbone": file_hash(backbone), "index": file_hash(index)}
    write_safetensors(output, {"yes": yes, "tokens": tokens.int()}, header)


def cache_caption_images(
    backbone: Path, index: Path, images: ShardImages, views: int, output: Path, workers: int, device: str = "cpu"
) -> None:
    """Write unit-norm features (views, n, d) of the samples' images, of random training crops.

    Args:
        backbone: backbone file.
        index: of the shards.
        images: the shards' images.
        views: crops of every image; 0: one view, the evaluation crop.
        output: file to write.
        workers: processes that decode.
        device: `cpu` or `cuda`.
    """
    clip, architecture = load_backbone(backbone)
    transform = training_crop(architecture) if views else preprocess(architecture)
    clip, encoded = clip.to(device), []
    for view in range(max(views, 1)):
        items = ((row, row * max(views, 1) + view) for row in range(len(images)))
        loader = crop_loader(images, transform, _batches(items), workers)
        with torch.inference_mode():
            parts = [
                encode_image(clip, batch.to(device)).cpu()
                for batch in tracked(loader, -(-len(images) // BATCH), f"image features, view {view}", "batches")
            ]
        encoded.append(torch.cat(parts))
    made_from = {"backbone": file_hash(backbone), "index": file_hash(index), "views": str(views)}
    header = {"format": CAPTION_IMAGE_FORMAT, **made_from}
    write_safetensors(output, {"image": torch.stack(encoded)}, header)


def image_batches(manifest: Path, images: Iterable[Image], architecture: dict[str, Any]) -> Iterator[Tensor]:
    """Preprocessed images (n, 3, h, w) of a dataset in the order of its manifest, a few at a time.

    Args:
        manifest: of the dataset.
        images: the dataset's images.
        architecture: of the backbone, which says how it wants images.

    Raises:
        ClipnError: the images are not those of the manifest.
    """
    table = read_manifest(manifest)
    transform = preprocess(architecture)

    def load(image: Image) -> Tensor:
        return transform(image.open())

    loaded = _ahead(load, _checked(images, table, manifest))
    what = f"features of {manifest.parent.name}"
    yield from map(torch.stack, _batches(tracked(loaded, len(table), what, "images")))


def read_image_features(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Unit-norm features (n, d) of `cache_image_features`."""
    tensors, _ = read_safetensors(path, IMAGE_FORMAT)
    return tensors["image"].numpy()


def read_caption_features(path: Path, backbone: Path, index: Path) -> dict[str, Tensor]:
    """`yes` (n, d) float32 and `tokens` (n, length) int64 of `cache_caption_features`.

    Raises:
        ClipnError: made from another backbone or other shards.
    """
    tensors, _ = _read_of(path, CAPTION_FORMAT, backbone, index)
    return {**tensors, "tokens": tensors["tokens"].long()}


def read_caption_images(path: Path, backbone: Path, index: Path, views: int) -> Tensor:
    """Features (max(views, 1), n, d) of `cache_caption_images`.

    Raises:
        ClipnError: made from another backbone or other shards, or other views.
    """
    tensors, metadata = _read_of(path, CAPTION_IMAGE_FORMAT, backbone, index)
    if metadata["views"] != str(views):
        raise ClipnError(f"{path}: holds {metadata['views']} random views, {views} are asked for; make it again")
    return tensors["image"]


def _read_of(path: Path, file_format: str, backbone: Path, index: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = read_safetensors(path, file_format)
    for what, file in (("backbone", backbone), ("index", index)):
        if metadata[what] != file_hash(file):
            raise ClipnError(f"{path}: was made from another {what} than {file}; make it again")
    return tensors, metadata


def _checked(images: Iterable[Image], table: pd.DataFrame, manifest: Path) -> Iterator[Image]:
    expected = zip(table["path"], table["sha256"], strict=True)
    for image in images:
        if (image.path, hashlib.sha256(image.content).hexdigest()) != next(expected, None):
            raise ClipnError(f"{manifest}: does not list this {image.path} next; verify the dataset again")
        yield image
    if missing := len(list(expected)):
        found = len(table) - missing
        raise ClipnError(f"{manifest}: lists {len(table)} images, found {found}; verify the dataset again")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(items)
    while batch := list(islice(stream, BATCH)):
        yield batch


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
