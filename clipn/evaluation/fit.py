"""Fit the classifier of an ID dataset on cached features of its training images."""

from dataclasses import dataclass
from pathlib import Path

from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.discriminant import fit_discriminant
from clipn.evaluation.shots import training_rows
from clipn.features.stored import DISCRIMINANT_FORMAT, read_image_features
from clipn.files import file_hash
from clipn.model.tensors import write_arrays


@dataclass(frozen=True)
class TrainingImages:
    """Which images a classifier is fitted on.

    Attributes:
        dataset: name of their dataset.
        shots: of every class; None: all.
        seed: of the choice.
        alpha: weight of the fitted logits.
    """

    dataset: str
    shots: int | None = None
    seed: int = 1
    alpha: float = 1.0


def write_discriminant(id_dataset: str, images: TrainingImages, datasets: Path, features: Path, output: Path) -> None:
    """Write `weights` (classes, d) and `bias` (classes,) of `clipn.evaluation.discriminant`, both times `alpha`.

    Args:
        id_dataset: whose classes are told apart.
        images: what it is fitted on.
        datasets: folder with one indexed dataset per folder.
        features: folder with the image features of a backbone.
        output: file to write.

    Raises:
        ClipnError: a file is missing or damaged, features are not of the manifest, or as
            `clipn.evaluation.shots.training_rows` and `clipn.evaluation.discriminant.fit_discriminant`.
    """
    rows = training_rows(datasets, id_dataset, images.dataset, images.shots, images.seed)
    path = features / f"{images.dataset}.safetensors"
    cached = read_image_features(path)
    manifest = datasets / images.dataset / "manifest.parquet"
    if len(cached) != (count := len(read_manifest(manifest))):
        raise ClipnError(f"{path}: has {len(cached)} features, but {manifest} lists {count} images; cache them again")
    fitted = fit_discriminant([cached[of_class] for of_class in rows])
    header = {"format": DISCRIMINANT_FORMAT, "features": file_hash(path), "manifest": file_hash(manifest)}
    settings = {"shots": str(images.shots or "all"), "seed": str(images.seed), "alpha": str(images.alpha)}
    arrays = {name: images.alpha * array for name, array in fitted._asdict().items()}
    write_arrays(output, arrays, {**header, **settings})
