"""What patches of images say of ID classes, for GL-MCM and L-MCM (Miyai et al., IJCV 2025): one number per image."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from clipn.compute import prepare_torch
from clipn.data.description import read_classes
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features.folders import DatasetFolders
from clipn.features.images import image_batches
from clipn.features.stored import LOCAL_FORMAT
from clipn.files import file_hash
from clipn.model.backbone import load_backbone
from clipn.model.clipn import class_weights, encode_text
from clipn.model.patches import patch_features
from clipn.model.tensors import write_safetensors
from clipn.model.vision import require_patches
from clipn.text.prompts import lines_sha256, pool_hash, pool_name, prompt_pool

BATCH = 32
"""Images whose patches are compared with all classes at once: 50 MB of cosines for 196 patches and 1,000 classes."""


def cache_local_of_datasets(
    backbone: Path,
    names: Sequence[str],
    folders: DatasetFolders,
    prompts: str,
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """As `cache_local_features`, of datasets of a registry, under the classes of the first of `names`.

    Raises:
        ClipnError: as `cache_local_features`, or a dataset is not in the registry or not where it should be.
    """
    datasets = {name: folders.open(name) for name in names}
    classes = read_classes(folders.datasets / names[0] / "dataset.json")
    cache_local_features(backbone, datasets, classes, prompts, output, device, threads)


def cache_local_features(
    backbone: Path,
    datasets: Mapping[str, tuple[Path, Iterable[Image]]],
    classes: Sequence[str],
    prompts: str,
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write `best_patch` (n, 1) of the images of each dataset, rows as in its manifest.

    That is all that the scores read, 8 bytes per image. The features of its patches would take 400 KB for ViT-B-16.

    Args:
        backbone: backbone file, of CLIP's Vision Transformer.
        datasets: manifest and images of every dataset that is scored under these classes.
        classes: names of the ID classes.
        prompts: prompt pool.
        output: file to write.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: the backbone has no patches, no class is named, or the images are not those of their manifest.
    """
    if not classes:
        raise ClipnError("classes: patches are compared with the names of ID classes; give at least one")
    prepare_torch(device, threads)
    clip, architecture = load_backbone(backbone)
    require_patches(architecture["vision_cfg"], str(backbone))
    clip = clip.to(device)
    tokenizer = open_clip.SimpleTokenizer(context_length=clip.context_length)
    weights = class_weights(partial(encode_text, clip), tokenizer, classes, prompt_pool(prompts), device).double()

    @torch.inference_mode()
    def log_odds(manifest: Path, images: Iterable[Image]) -> Tensor:
        batches = image_batches(manifest, images, architecture)
        parts = (part.to(device) for batch in batches for part in batch.split(BATCH))
        return torch.cat([best_patch(patch_features(clip, part), weights).cpu() for part in parts])

    manifests = {name: file_hash(manifest) for name, (manifest, _) in datasets.items()}
    made_from = {"backbone": file_hash(backbone), "classes": lines_sha256(classes), "manifests": json.dumps(manifests)}
    settings = {"prompts": pool_name(prompts), "templates": pool_hash(prompts)}
    tensors = {name: log_odds(*dataset) for name, dataset in datasets.items()}
    write_safetensors(output, tensors, {"format": LOCAL_FORMAT, **made_from, **settings})


def best_patch(patches: Tensor, weights: Tensor) -> Tensor:
    """Log-odds (n, 1), float64, of the highest probability that any patch gives any class, by softmax of the cosines.

    The patch of the highest probability has the highest log-odds, so those of the others need not be kept.

    Args:
        patches: unit-norm features (n, patches, d).
        weights: unit-norm classifier (classes, d), float64.
    """
    # Float64, in which patches whose probabilities are all near 1 / classes do not tie.
    cosines = patches.double() @ weights.T
    top, winner = cosines.max(dim=2, keepdim=True)
    log_odds = top - cosines.scatter_(2, winner, -torch.inf).logsumexp(dim=2, keepdim=True)
    # Of a single class they are infinite, which no file holds.
    return log_odds.amax(dim=1).clamp(max=torch.finfo(torch.float64).max)
