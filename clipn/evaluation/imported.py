"""Scores that others computed, image by image, brought beside our own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.data.manifest import read_manifest
from clipn.data.score_files import read_scores_of
from clipn.evaluation.scoring import labelled
from clipn.files import atomic

Higher = Literal["id", "ood"]


class SetScores(NamedTuple):
    """Scores of the images of one dataset under the classes of an ID dataset.

    Attributes:
        id_dataset: whose classes.
        dataset: whose images.
        path: CSV, Parquet or NPZ.
    """

    id_dataset: str
    dataset: str
    path: Path


@dataclass(frozen=True)
class ImportedMethod:
    """A method that others computed.

    Attributes:
        name: of its own, as tables show it.
        higher: what has higher scores.
        column: name of the column, or of the array, that holds the scores.
        sets: files with its scores.
    """

    name: str
    higher: Higher
    column: str
    sets: Sequence[SetScores]


def import_scores(methods: Sequence[ImportedMethod], datasets: Path, output: Path) -> None:
    """Write the scores of methods as one Parquet file, in the form of `clipn.evaluation.scoring.score_pairs`.

    A method has no value in the rows of ID datasets that it has no files for.

    Args:
        methods: that were computed on the same backbone.
        datasets: folder with one folder per dataset, with its manifest.
        output: Parquet to write: id, dataset, row, path, label, and a float64 column per method, higher = more
            in-distribution.

    Raises:
        ClipnError: a file is missing, or has other images than the dataset.
    """
    columns: dict[tuple[str, str], dict[str, NDArray[np.float64]]] = {}
    for method in methods:
        for id_dataset, dataset, path in method.sets:
            images = read_manifest(datasets / dataset / "manifest.parquet")["path"].tolist()
            scores = read_scores_of(images, path, method.column)
            columns.setdefault((id_dataset, dataset), {})[method.name] = scores if method.higher == "id" else -scores
    tables = [labelled(pd.DataFrame(scores), *key, datasets) for key, scores in columns.items()]
    with atomic(output) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, compression="zstd", index=False)
