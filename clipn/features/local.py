"""What patches of images say of ID classes, for GL-MCM and L-MCM (Miyai et al., IJCV 2025): one number per image."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features.stored import LOCAL_FORMAT
from clipn.features.under_classes import ImagesUnderClasses
from clipn.model.patches import patch_features
from clipn.model.vision import require_patches


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
    found = ImagesUnderClasses(backbone, datasets, classes, prompts, device, threads)
    require_patches(found.architecture["vision_cfg"], str(backbone))

    @torch.inference_mode()
    def log_odds(images: Tensor) -> Tensor:
        return best_patch(patch_features(found.clip, images), found.weights)

    found.write(output, LOCAL_FORMAT, log_odds, {})


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
