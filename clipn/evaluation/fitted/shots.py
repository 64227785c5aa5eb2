"""Training images of an ID dataset: some of every class, and none that is tested."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.data.description import read_classes
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.files import named


def training_rows(datasets: Path, id_dataset: str, train: str, shots: int | None, seed: int) -> list[NDArray[np.intp]]:
    """Rows of a dataset of training images, by class of the ID dataset.

    Args:
        datasets: folder with one indexed dataset per folder.
        id_dataset: whose test images they must not be, and whose classes they have.
        train: dataset of the training images.
        shots: of every class; None: all.
        seed: chooses them; with more shots it chooses these and further ones.

    Raises:
        ClipnError: the datasets differ in their classes or share images, an image has no class, or a class has too few.
    """
    classes, expected = (read_classes(datasets / name / "dataset.json") for name in (train, id_dataset))
    labels_of_classes = _labels_of(train, classes, id_dataset, expected)
    manifest = _manifest(datasets, train)
    tested = manifest.loc[manifest["sha256"].isin(_manifest(datasets, id_dataset)["sha256"]), "path"].tolist()
    if tested:
        raise ClipnError(
            f"{train}: {len(tested):,} of its images are test images of {id_dataset} ({named(tested, 1)}); leave them "
            f"out with `select` of {train} in the registry"
        )
    labels = manifest["label"].to_numpy()
    if unlabelled := int(np.count_nonzero((labels < 0) | (labels >= len(classes)))):
        raise ClipnError(f"{train}: {unlabelled:,} of its images have no class; label them, or leave them out")
    least, draw, chosen = shots or 1, np.random.default_rng(seed), []
    for label in labels_of_classes:
        rows = np.flatnonzero(labels == label)
        if len(rows) < least:
            lacking = f"{train}: {classes[label]!r} has {len(rows)} images, and {least} are needed"
            raise ClipnError(f"{lacking}; lower `shots`, or add images")
        chosen.append(rows if shots is None else draw.permutation(rows)[:shots])
    return chosen


def _manifest(datasets: Path, name: str) -> pd.DataFrame:
    return read_manifest(datasets / name / "manifest.parquet")


def _labels_of(train: str, classes: Sequence[str], id_dataset: str, expected: Sequence[str]) -> list[int]:
    """Label in a dataset of training images of every class of an ID dataset."""
    # Two classes of ImageNet may share a name, but then not be in another order.
    if classes == expected:
        return [*range(len(expected))]
    if len({*expected}) < len(expected) or sorted(classes) != sorted(expected):
        odd = sorted({*classes} ^ {*expected})
        reason = f"{odd[0]!r} is a class of one of them alone" if odd else "a name stands for two classes"
        remedy = f"name training images of {id_dataset}, or correct `classes` of {train} in the registry"
        raise ClipnError(f"{train}: has other classes than {id_dataset} ({reason}); {remedy}")
    # Folders are sorted by name, and other archives may be not.
    return [classes.index(name) for name in expected]
