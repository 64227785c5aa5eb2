"""Cached features of a dataset's images: the image tower is frozen, so they are computed once per backbone."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipn.compute import prepare_torch
from clipn.data.manifest import read_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features.stored import IMAGE_FORMAT, NORMS
from clipn.files import file_hash
from clipn.iteration import batched, in_threads
from clipn.model.backbone import Preprocess, load_backbone, preprocess
from clipn.model.tensors import write_safetensors
from clipn.progress import tracked

BATCH = 256
DECODERS = 2
"""Threads that decode images ahead of the model."""


def cache_image_features(
    backbone: Path, datasets: Mapping[Path, tuple[Path, Iterable[Image]]], device: str = "cpu", threads: int = 1
) -> None:
    """Write the unit-norm features (n, d) of datasets and their norms before (n,), rows as in their manifests.

    Args:
        backbone: backbone file.
        datasets: manifest and images of every dataset, by the file to write.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: the images are not those of the manifest.
    """
    prepare_torch(device, threads)
    clip, architecture = load_backbone(backbone)
    clip = clip.to(device)
    for output, (manifest, images) in datasets.items():
        with torch.inference_mode():
            batches = image_batches(manifest, images, architecture)
            features = torch.cat([clip.encode_image(batch.to(device)).float().cpu() for batch in batches])
        header = {"format": IMAGE_FORMAT, "backbone": file_hash(backbone), "manifest": file_hash(manifest)}
        write_safetensors(output, with_norms(features), header)


def with_norms(features: Tensor) -> dict[str, Tensor]:
    """The tensors of a file of image features: `image` (n, d), unit-norm, and `norms` (n,) of what a tower gave."""
    return {"image": normalize(features, dim=-1), NORMS: features.norm(dim=-1)}


def image_batches(manifest: Path, images: Iterable[Image], architecture: dict[str, Any]) -> Iterator[Tensor]:
    """As `transformed_batches`, brought to the form that an architecture of open_clip wants."""
    return transformed_batches(manifest, images, preprocess(architecture))


def transformed_batches(manifest: Path, images: Iterable[Image], transform: Preprocess) -> Iterator[Tensor]:
    """Preprocessed images (n, 3, h, w) of a dataset in the order of its manifest, a few at a time.

    Args:
        manifest: of the dataset.
        images: the dataset's images.
        transform: brings a picture to (3, h, w).

    Raises:
        ClipnError: the images are not those of the manifest.
    """
    table = read_manifest(manifest)

    def load(image: Image) -> Tensor:
        return transform(image.open())

    # A batch ahead, so that the decoders work on while the model is busy with the batch before.
    loaded = in_threads(load, _checked(images, table, manifest), DECODERS, BATCH)
    what = f"features of {manifest.parent.name}"
    yield from map(torch.stack, batched(tracked(loaded, len(table), what, "images"), BATCH))


def _checked(images: Iterable[Image], table: pd.DataFrame, manifest: Path) -> Iterator[Image]:
    """The images, each compared with the next row of the manifest, as features are matched to images by row alone."""
    expected = zip(table["path"], table["sha256"], strict=True)
    for image in images:
        if (image.path, hashlib.sha256(image.content).hexdigest()) != next(expected, None):
            raise ClipnError(f"{manifest}: does not list this {image.path} next; verify the dataset again")
        yield image
    if missing := len(list(expected)):
        found = len(table) - missing
        raise ClipnError(f"{manifest}: lists {len(table)} images, found {found}; verify the dataset again")
