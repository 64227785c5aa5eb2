"""Features of a locked image tower, encoded once and projected for every backbone that is trained on it."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipn.compute import prepare_torch
from clipn.data.readers import Image
from clipn.data.shards import ShardImages
from clipn.errors import ClipnError
from clipn.features.captions import CAPTION_IMAGE_FORMAT
from clipn.features.crops import crop_loader
from clipn.features.images import BATCH, image_batches, with_norms
from clipn.features.stored import IMAGE_FORMAT
from clipn.files import file_hash
from clipn.iteration import batched
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.image_tower import load_image_tower, tower_features
from clipn.model.tensors import read_metadata, read_safetensors, write_safetensors
from clipn.progress import tracked

FORMAT = "clipn-tower-features-1"
TOWER, FEATURES = "image_tower", "tower"
"""Key of the tower's hash in a header, and name of the tensor."""


def cache_tower_features(
    tower: Path, datasets: Mapping[Path, tuple[Path, Iterable[Image]]], device: str = "cpu", threads: int = 1
) -> None:
    """Write the pooled features (n, w) of datasets, rows as in their manifests.

    Args:
        tower: image tower file.
        datasets: manifest and images of every dataset, by the file to write.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: the images are not those of the manifest.
    """
    encoder = _Tower(tower, device, threads)
    for output, (manifest, images) in datasets.items():
        features = encoder.features(image_batches(manifest, images, encoder.architecture))
        encoder.write(output, features, "manifest", manifest)


def cache_caption_tower_features(
    tower: Path, index: Path, images: ShardImages, output: Path, workers: int, device: str = "cpu", threads: int = 1
) -> None:
    """Write the pooled features (n, w) of the images of captions, of the evaluation crop, rows as in the index.

    An image with several captions, one after the other, is encoded once.

    Args:
        tower: image tower file.
        index: of the shards.
        images: the shards' images.
        output: file to write.
        workers: processes that decode.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.
    """
    encoder = _Tower(tower, device, threads)
    digests = [hashlib.sha256(images[row].content).digest() for row in range(len(images))]
    is_new = torch.tensor([row == 0 or digests[row - 1] != digest for row, digest in enumerate(digests)])
    rows = is_new.nonzero().flatten().tolist()
    loader = crop_loader(
        images, preprocess(encoder.architecture), batched(((row, row) for row in rows), BATCH), workers
    )
    batches = tracked(loader, -(-len(rows) // BATCH), "image features of captions", "batches")
    distinct = encoder.features(batches)
    encoder.write(output, distinct[is_new.cumsum(dim=0) - 1], "index", index)


class _Tower:
    """An image tower on a device.

    Attributes:
        architecture: that it is part of.
    """

    def __init__(self, path: Path, device: str, threads: int) -> None:
        prepare_torch(device, threads)
        trunk, self.architecture = load_image_tower(path)
        self._path, self._device, self._trunk = path, device, trunk.to(device)

    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Pooled features (n, w) of batches (b, 3, h, w) of preprocessed images."""
        return torch.cat([tower_features(self._trunk, batch.to(self._device)).cpu() for batch in batches])

    def write(self, output: Path, features: Tensor, what: str, made_from: Path) -> None:
        """Write features as `read_tower_features` reads them."""
        header = {"format": FORMAT, TOWER: file_hash(self._path), what: file_hash(made_from)}
        write_safetensors(output, {FEATURES: features}, header)


def read_tower_features(path: Path, tower: str, what: str, made_from: Path) -> Tensor:
    """Features (n, w) of one of the above.

    Args:
        path: the file.
        tower: hash of the image tower.
        what: they are of: `manifest` or `index`.
        made_from: that file.

    Raises:
        ClipnError: missing, damaged or foreign file, or of another tower, dataset or index.
    """
    tensors, metadata = read_safetensors(path, FORMAT, FEATURES)
    for key, expected in ((TOWER, tower), (what, file_hash(made_from))):
        if metadata.get(key) != expected:
            raise ClipnError(f"{path}: was made from another {key.replace('_', ' ')}; delete it and make it again")
    return tensors[FEATURES]


def project_image_features(
    backbone: Path, datasets: Mapping[Path, tuple[Path, Path]], device: str = "cpu", threads: int = 1
) -> None:
    """Write the unit-norm features (n, d) of datasets, and their norms before, by a backbone with a locked image tower.

    Args:
        backbone: backbone file.
        datasets: manifest and features of the tower of every dataset, by the file to write.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: the backbone has no locked tower, or features are not of that tower and those images.
    """
    projection = _Projection(backbone, device, threads)
    for output, (manifest, features) in datasets.items():
        projected = projection(read_tower_features(features, projection.tower, "manifest", manifest))
        header = {"format": IMAGE_FORMAT, "backbone": file_hash(backbone), "manifest": file_hash(manifest)}
        write_safetensors(output, with_norms(projected), header)


def project_caption_images(
    backbone: Path, index: Path, features: Path, output: Path, device: str = "cpu", threads: int = 1
) -> None:
    """Write the unit-norm features (1, n, d) of the images of captions by a backbone with a locked image tower.

    They are as `clipn.features.captions.cache_caption_images` without random views; errors as for
    `project_image_features`.
    """
    projection = _Projection(backbone, device, threads)
    projected = normalize(projection(read_tower_features(features, projection.tower, "index", index)), dim=-1)
    made_from = {"backbone": file_hash(backbone), "index": file_hash(index), "views": "0"}
    write_safetensors(output, {"image": projected[None]}, {"format": CAPTION_IMAGE_FORMAT, **made_from})


class _Projection:
    """What comes after the locked tower of a backbone.

    Attributes:
        tower: hash of the tower.
    """

    def __init__(self, backbone: Path, device: str, threads: int) -> None:
        prepare_torch(device, threads)
        self.tower = read_metadata(backbone).get(TOWER, "")
        if not self.tower:
            raise ClipnError(f"{backbone}: has no locked image tower; encode its images with `clipn features images`")
        clip, _ = load_backbone(backbone)
        self._device, self._head = device, clip.visual.head.to(device)

    @torch.inference_mode()
    def __call__(self, features: Tensor) -> Tensor:
        """Features (n, d), of whatever length, of those of the tower (n, w)."""
        return torch.cat([self._head(part.to(self._device)).cpu() for part in features.split(BATCH)])
