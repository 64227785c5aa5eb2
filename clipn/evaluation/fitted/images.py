"""The training images that a classifier of an ID dataset is fitted on, as cached features."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.fitted.shots import training_rows
from clipn.features.stored import Features, read_image_features
from clipn.files import file_hash


@dataclass(frozen=True)
class TrainingImages:
    """Which images a classifier is fitted on.

    Attributes:
        dataset: name of their dataset.
        shots: of every class; None: all.
        seed: of the choice.
    """

    dataset: str
    shots: int | None = None
    seed: int = 1


class ChosenImages(NamedTuple):
    """Training images as they were chosen.

    Attributes:
        path: file of the image features of their dataset.
        features: unit-norm (n, d) of all of them.
        rows: those that were chosen, of every class of the ID dataset.
        header: hashes of what they were read from, and how they were chosen.
    """

    path: Path
    features: Features
    rows: list[NDArray[np.intp]]
    header: dict[str, str]


def chosen_images(id_dataset: str, images: TrainingImages, datasets: Path, features: Path) -> ChosenImages:
    """The training images of an ID dataset with their features.

    Args:
        id_dataset: whose classes are told apart.
        images: what a classifier is fitted on.
        datasets: folder with one indexed dataset per folder.
        features: folder with the image features of a backbone.

    Raises:
        ClipnError: a file is missing or damaged, features are not of the manifest, or as
            `clipn.evaluation.fitted.shots.training_rows`.
    """
    rows = training_rows(datasets, id_dataset, images.dataset, images.shots, images.seed)
    path = features / f"{images.dataset}.safetensors"
    cached = read_image_features(path)
    manifest = datasets / images.dataset / "manifest.parquet"
    if len(cached) != (count := len(read_manifest(manifest))):
        raise ClipnError(f"{path}: has {len(cached)} features, but {manifest} lists {count} images; cache them again")
    hashes = {"features": file_hash(path), "manifest": file_hash(manifest)}
    return ChosenImages(path, cached, rows, {**hashes, "shots": str(images.shots or "all"), "seed": str(images.seed)})
