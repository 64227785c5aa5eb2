"""Manifests, descriptions and features of an ID dataset and of its training images, without any image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipn.data.manifest import SCHEMA, write_manifest
from clipn.features.stored import IMAGE_FORMAT, NORMS
from clipn.files import write_json
from clipn.model.tensors import write_arrays

TRAIN = "training"


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
