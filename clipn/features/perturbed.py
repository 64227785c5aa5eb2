"""Features of images moved a step towards what the model takes them for (ODIN, Liang et al., ICLR 2018)."""

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
from clipn.features.stored import PERTURBED_FORMAT
from clipn.files import file_hash
from clipn.model.backbone import load_backbone
from clipn.model.clipn import class_weights, encode_image, encode_text
from clipn.model.tensors import write_safetensors
from clipn.scores.odin import TEMPERATURE
from clipn.text.prompts import lines_sha256, pool_hash, pool_name, prompt_pool

BATCH = 32
"""Images whose gradient is taken at once; they need far more memory than those that are only encoded."""


def perturb_datasets(
    backbone: Path,
    names: Sequence[str],
    folders: DatasetFolders,
    prompts: str,
    logit_scale: float | None,
    epsilon: float,
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """As `cache_perturbed_features`, of datasets of a registry, under the classes of the first of `names`.

    Raises:
        ClipnError: as `cache_perturbed_features`, or a dataset is not in the registry or not where it should be.
    """
    datasets = {name: folders.open(name) for name in names}
    classes = read_classes(folders.datasets / names[0] / "dataset.json")
    cache_perturbed_features(backbone, datasets, classes, prompts, logit_scale, epsilon, output, device, threads)


def cache_perturbed_features(
    backbone: Path,
    datasets: Mapping[str, tuple[Path, Iterable[Image]]],
    classes: Sequence[str],
    prompts: str,
    logit_scale: float | None,
    epsilon: float,
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write the unit-norm features (n, d) of the perturbed images of each dataset, rows as in its manifest.

    Args:
        backbone: backbone file.
        datasets: manifest and images of every dataset that is scored under these classes.
        classes: names of the ID classes.
        prompts: prompt pool.
        logit_scale: what multiplies cosines; None: the backbone's own.
        epsilon: step of every pixel, in units of the normalised image, as in the paper; the authors' code divides it
            by the standard deviation of the colour, so that its unit is that of pixels in [0, 1].
        output: file to write.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: no class is named, or the images are not those of their manifest.
    """
    if not classes:
        raise ClipnError("classes: the perturbation needs the names of ID classes; give at least one")
    prepare_torch(device, threads)
    clip, architecture = load_backbone(backbone)
    clip = clip.to(device).requires_grad_(False)
    scale = clip.logit_scale.exp().item() if logit_scale is None else logit_scale
    tokenizer = open_clip.SimpleTokenizer(context_length=clip.context_length)
    weights = class_weights(partial(encode_text, clip), tokenizer, classes, prompt_pool(prompts), device).double()

    def features(manifest: Path, images: Iterable[Image]) -> Tensor:
        batches = image_batches(manifest, images, architecture)
        parts = (part.to(device) for batch in batches for part in batch.split(BATCH))
        return torch.cat([encode_image(clip, perturbed(clip, part, weights, scale, epsilon)).cpu() for part in parts])

    manifests = {name: file_hash(manifest) for name, (manifest, _) in datasets.items()}
    made_from = {"backbone": file_hash(backbone), "classes": lines_sha256(classes), "manifests": json.dumps(manifests)}
    settings = {"prompts": pool_name(prompts), "templates": pool_hash(prompts)}
    settings |= {"logit_scale": str(scale), "epsilon": str(epsilon)}
    tensors = {name: features(*dataset) for name, dataset in datasets.items()}
    write_safetensors(output, tensors, {"format": PERTURBED_FORMAT, **made_from, **settings})


def perturbed(clip: open_clip.CLIP, images: Tensor, weights: Tensor, logit_scale: float, epsilon: float) -> Tensor:
    """Images (n, 3, h, w) moved by `epsilon` in every pixel so that the winner's probability grows (the paper's Eq. 2).

    With logits z = scale f W^T and p their softmax at temperature T, the gradient of log max p is that of
    (W_winner - sum_j p_j W_j) f, p held fixed, times scale / T. Only its sign counts, so the factor is left out, and
    with it the tiny numbers.

    Args:
        clip: the model, frozen.
        images: preprocessed, normalised.
        weights: unit-norm classifier (classes, d), float64.
        logit_scale: what multiplies cosines.
        epsilon: step, in units of `images`.
    """
    # A copy, since asking a gradient of the caller's tensor would change it.
    images = images.clone().requires_grad_()
    features = encode_image(clip, images)
    with torch.no_grad():
        # Float64, in which near classes do not tie; the model keeps its own precision.
        logits = logit_scale * (features.double() @ weights.T)
        uphill = weights[logits.argmax(dim=1)] - (logits / TEMPERATURE).softmax(dim=1) @ weights
    (gradient,) = torch.autograd.grad((features * uphill.float()).sum(), images)
    return images.detach() + epsilon * gradient.sign()
