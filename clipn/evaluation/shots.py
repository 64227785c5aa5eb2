"""Training images of an ID dataset: some of every class, and none that is tested."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.data.description import read_classes
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.files import named


def training_rows(datasets: Path, id_dataset: str, train: str, shots: int | None, seed: int) -> list[NDArray[np.intp]]:
    """Rows of a dataset of training images, by class.

    Args:
        datasets: folder with one indexed dataset per folder.
        id_dataset: whose test images they must not be, and whose classes they have.
        train: dataset of the training images.
        shots: of every class; None: all.
        seed: chooses them; with more shots it chooses these and further ones.

    Raises:
        ClipnError: the datasets differ in their classes or share images, an image has no class, or a class has too few.
    """
    classes, manifest = read_classes(datasets / train / "dataset.json"), _manifest(datasets, train)
    _require_same_classes(train, classes, id_dataset, read_classes(datasets / id_dataset / "dataset.json"))
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
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        if len(rows) < least:
            lacking = f"{train}: {name!r} has {len(rows)} images, and {least} are needed"
            raise ClipnError(f"{lacking}; lower `shots`, or add images")
        chosen.append(rows if shots is None else draw.permutation(rows)[:shots])
    return chosen


def _manifest(datasets: Path, name: str) -> pd.DataFrame:
    return read_manifest(datasets / name / "manifest.parquet")


def _require_same_classes(train: str, classes: list[str], id_dataset: str, expected: list[str]) -> None:
    if classes == expected:
        return
    if len(classes) != len(expected):
        differ = f"{len(classes)} of them, not {len(expected)}"
    else:
        label = next(label for label, name in enumerate(expected) if classes[label] != name)
        differ = f"class {label} is {classes[label]!r}, not {expected[label]!r}"
    raise ClipnError(
        f"{train}: has other classes than {id_dataset} ({differ}); name training images of {id_dataset}, or give their "
        "record its `classes`"
    )
