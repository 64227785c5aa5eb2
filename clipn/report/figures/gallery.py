"""The images behind the most confident mistakes of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from scipy.special import expit

from clipn.data.readers import read_dataset
from clipn.data.registry import registry_of
from clipn.errors import ClipnError
from clipn.evaluation.evaluate import part
from clipn.report.figures.mistakes import Mistake

METHOD = "atd"
NO_LABEL = "no label"
COUNT = 12
"""Mistakes of each kind."""

ALIKE = 2
"""Images of one dataset and class, taken for the same class, that go before others."""


@dataclass(frozen=True)
class Albums:
    """Where images lie: registries, the folder with one folder of archives per dataset, unpacked copies."""

    registries: Sequence[Path]
    archives: Path
    unpacked: Mapping[str, Path]


def gallery(scores: pd.DataFrame, id_dataset: str, classes: Sequence[str], albums: Albums) -> list[Mistake]:
    """The OOD images of highest score that were accepted, and the ID images of lowest score that were rejected.

    Of each kind `COUNT`: of those that share dataset, class and prediction the first `ALIKE`; where these are too few,
    the next ones fill up. OOD images have no class, so that there dataset and prediction count.

    Args:
        scores: of a run with the method `METHOD` and its rule.
        id_dataset: identifier of the ID dataset.
        classes: its class names.
        albums: where the images lie.

    Raises:
        ClipnError: the scores lack the method or its rule, or an image is missing.
    """
    accepted = f"accepts_{METHOD}"
    if not {METHOD, accepted} <= set(scores):
        raise ClipnError(f"mistakes: the scores have no {METHOD} and {accepted}; score a run with that rule")
    own, others = part(scores, id_dataset, id_dataset), scores[scores["id"] == id_dataset]
    others = others[others["dataset"] != id_dataset]
    wrong = pd.concat(
        _most_telling(rows.sort_values(METHOD, ascending=is_id, kind="stable"))
        for rows, is_id in ((others[others[accepted]], False), (own[~own[accepted]], True))
    )
    # Dataset by dataset, as an archive can only be read from its beginning.
    images = {
        (name, row): image
        for name, rows in wrong.groupby("dataset", sort=False)["row"]
        for row, image in _images(str(name), set(rows), albums)
    }
    return [
        Mistake(
            image=images[row["dataset"], row["row"]],
            truth=_truth(row, id_dataset, classes),
            taken_for=classes[row["prediction"]],
            # Scores are log-odds of being in-distribution.
            score=float(expit(row[METHOD])),
            is_id=row["dataset"] == id_dataset,
        )
        for row in wrong.to_dict("records")
    ]


def _most_telling(mistakes: pd.DataFrame) -> pd.DataFrame:
    """`COUNT` of the mistakes, which come most confident first: the first of those that are alike, then the others."""
    # What is taken for the same is alike: of many such images the first ones tell most.
    is_further = mistakes.groupby(["dataset", "label", "prediction"]).cumcount() >= ALIKE
    return pd.concat([mistakes[~is_further], mistakes[is_further]]).head(COUNT)


def _truth(row: Mapping[Any, Any], id_dataset: str, classes: Sequence[str]) -> str:
    """The class of an ID image, if it has a label; of another image, its dataset."""
    if row["dataset"] != id_dataset:
        return str(row["dataset"])
    return classes[row["label"]] if row["label"] >= 0 else NO_LABEL


def _images(name: str, rows: set[int], albums: Albums) -> Iterator[tuple[int, Image.Image]]:
    """Rows of a dataset's manifest and their images; reading stops at the last of them."""
    registry, left = registry_of(name, albums.registries), set(rows)
    # The manifest lists images in the order in which they are read here.
    for row, image in enumerate(read_dataset(name, registry, albums.archives / name, albums.unpacked.get(name))):
        if row in left:
            yield row, image.open()
            left.remove(row)
        if not left:
            return
    raise ClipnError(f"{name}: has fewer images than its scores; verify the dataset and score the run again")
