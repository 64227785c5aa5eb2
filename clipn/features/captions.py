"""Features of captions and of their images, for training."""

from functools import partial
from pathlib import Path

import pyarrow.compute as pc
import torch
from torch import Tensor

from clipn.compute import prepare_torch
from clipn.data.shards import ShardImages, read_tokens_of
from clipn.errors import ClipnError
from clipn.features.crops import crop_loader, training_crop
from clipn.features.images import BATCH
from clipn.features.stored import unit_features
from clipn.files import file_hash
from clipn.iteration import batched
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.clipn import encode_image, encode_in_batches, encode_text, require_clip_text_tower
from clipn.model.tensor_parts import safetensors_in_parts
from clipn.model.tensors import read_safetensors
from clipn.progress import tracked
from clipn.text.tokenizer import padded

CAPTION_FORMAT = "clipn-caption-features-2"
CAPTION_IMAGE_FORMAT = "clipn-caption-images-1"
CAPTIONS_AT_ONCE = 1 << 16
"""Captions whose features are in memory at a time."""


def cache_caption_features(backbone: Path, index: Path, output: Path, device: str = "cpu", threads: int = 1) -> None:
    """Write, for every sample of a shards' index, the unit-norm "yes" features (n, d) and the tokens (n, length).

    Tokens are cut after the end of the longest caption.
    """
    prepare_torch(device, threads)
    clip, architecture = load_backbone(backbone)
    require_clip_text_tower(clip)
    clip, tokens = clip.to(device), read_tokens_of(index)
    # The causal mask makes this exact: no position sees what is cut off.
    length = min(pc.max(pc.list_value_length(tokens)).as_py() + 2, clip.context_length)
    header = {"format": CAPTION_FORMAT, "backbone": file_hash(backbone), "index": file_hash(index)}
    shapes = {
        "yes": (torch.float32, (len(tokens), architecture["embed_dim"])),
        "tokens": (torch.int32, (len(tokens), length)),
    }
    with safetensors_in_parts(output, shapes, header) as write:
        # Of millions of captions, features and padded tokens take more memory than machines have.
        for start in range(0, len(tokens), CAPTIONS_AT_ONCE):
            part = torch.from_numpy(padded(tokens.slice(start, CAPTIONS_AT_ONCE), length))
            write("yes", encode_in_batches(partial(encode_text, clip), part, device))
            write("tokens", part.int())


def cache_caption_images(
    backbone: Path,
    index: Path,
    images: ShardImages,
    views: int,
    output: Path,
    workers: int,
    device: str = "cpu",
    threads: int = 1,
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
        threads: of torch; digits depend on it.
    """
    prepare_torch(device, threads)
    clip, architecture = load_backbone(backbone)
    transform = training_crop(architecture) if views else preprocess(architecture)
    clip, repeats = clip.to(device), max(views, 1)
    made_from = {"backbone": file_hash(backbone), "index": file_hash(index), "views": str(views)}
    header = {"format": CAPTION_IMAGE_FORMAT, **made_from}
    shapes = {"image": (torch.float32, (repeats, len(images), architecture["embed_dim"]))}
    with safetensors_in_parts(output, shapes, header) as write, torch.inference_mode():
        for view in range(repeats):
            # A seed of its own for every crop: under a common seed all images would lose the same edges.
            items = ((row, row * repeats + view) for row in range(len(images)))
            loader = crop_loader(images, transform, batched(items, BATCH), workers)
            for batch in tracked(loader, -(-len(images) // BATCH), f"image features, view {view}", "batches"):
                write("image", encode_image(clip, batch.to(device)))


def read_caption_features(path: Path, backbone: Path, index: Path) -> dict[str, Tensor]:
    """`yes` (n, d) float32 and `tokens` (n, length) int32 of `cache_caption_features`.

    Raises:
        ClipnError: made from another backbone or other shards, or as `clipn.features.stored.unit_features`.
    """
    return _read_of(path, CAPTION_FORMAT, backbone, index, "yes")[0]


def read_caption_images(path: Path, backbone: Path, index: Path, views: int) -> Tensor:
    """Features (max(views, 1), n, d) of `cache_caption_images`.

    Raises:
        ClipnError: made from another backbone, other shards or other views, or as
            `clipn.features.stored.unit_features`.
    """
    tensors, metadata = _read_of(path, CAPTION_IMAGE_FORMAT, backbone, index, "image")
    if metadata.get("views") != str(views):
        raise ClipnError(
            f"{path}: holds {metadata.get('views', 'no')} random views, {views} are asked for; make it again"
        )
    return tensors["image"]


def _read_of(
    path: Path, file_format: str, backbone: Path, index: Path, features: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = read_safetensors(path, file_format)
    for what, file in (("backbone", backbone), ("index", index)):
        if metadata.get(what) != file_hash(file):
            raise ClipnError(f"{path}: was made from another {what} than {file}; make it again")
    unit_features(path, {name: tensor.numpy() for name, tensor in tensors.items()}, features)
    return tensors, metadata
