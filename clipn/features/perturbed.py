"""Features of images moved a step towards what the model takes them for (ODIN, Liang et al., ICLR 2018)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features.stored import PERTURBED_FORMAT
from clipn.features.under_classes import ImagesUnderClasses
from clipn.model.clipn import encode_image
from clipn.scores.odin import TEMPERATURE


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
    found = ImagesUnderClasses(backbone, datasets, classes, prompts, device, threads)
    clip, weights = found.clip.requires_grad_(False), found.weights
    scale = clip.logit_scale.exp().item() if logit_scale is None else logit_scale

    def features(images: Tensor) -> Tensor:
        return encode_image(clip, perturbed(clip, images, weights, scale, epsilon))

    found.write(output, PERTURBED_FORMAT, features, {"logit_scale": str(scale), "epsilon": str(epsilon)})


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
