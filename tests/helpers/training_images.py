"""Manifests, descriptions and features of an ID dataset and of its training images, without any image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.planted import Size, plant, scoring_inputs
from clipn.data.manifest import SCHEMA, write_manifest
from clipn.features.stored import IMAGE_FORMAT, NORMS
from clipn.files import write_json
from clipn.model.tensors import write_arrays

TRAIN = "training"


def plant_training(folder: Path, size: Size) -> None:
    """A planted world with 60 training images of its ID dataset."""
    plant(folder, size, runs=1)
    inputs, labels = scoring_inputs(folder), np.arange(60) % size.classes
    classes = [f"class {number}" for number in range(size.classes)]
    describe(inputs.datasets / TRAIN, labels.tolist(), classes, first=1000)
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(size.classes, size.width))[labels] + draw.normal(size=(len(labels), size.width))
    write_features(inputs.features / f"{TRAIN}.safetensors", vectors)


def describe(folder: Path, labels: Sequence[int], classes: Sequence[str], first: int = 0) -> None:
    """Manifest and description of a dataset whose images have the hashes `first`, `first` + 1, ..."""
    rows = range(len(labels))
    columns = {
        "path": [f"{row}.png" for row in rows],
        "label": labels,
        "sha256": [f"{first + row:064x}" for row in rows],
        "width": [8 for _ in rows],
        "height": [8 for _ in rows],
    }
    write_manifest(pa.table(columns, SCHEMA), folder / "manifest.parquet")
    found = {"title": folder.name, "classes": [*classes], "archives": {}, "proof": {}, "names": "unverified"}
    write_json(folder / "dataset.json", found | {"images": len(labels)})


def write_features(path: Path, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Write the vectors (n, d) as unit-norm image features, with their lengths."""
    norms = np.linalg.norm(vectors, axis=1)
    unit = (vectors / norms[:, None]).astype(np.float32)
    write_arrays(path, {"image": unit, NORMS: norms.astype(np.float32)}, {"format": IMAGE_FORMAT})
    return unit
