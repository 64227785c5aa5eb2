"""The images behind the most confident mistakes of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image
from scipy.special import expit

from clipn.data.location import locate
from clipn.data.readers import read_images
from clipn.data.registry import Registry
from clipn.errors import ClipnError
from clipn.evaluation.evaluate import part
from clipn.report.figures import Mistake

METHOD = "atd"
COUNT = 12
"""Mistakes of each kind."""


@dataclass(frozen=True)
class Albums:
    """Where images lie: registry, its folder, the folder with one folder of archives per dataset, unpacked copies."""

    registry: Registry
    base: Path
    archives: Path
    unpacked: Mapping[str, Path]


def gallery(scores: pd.DataFrame, known: str, classes: Sequence[str], albums: Albums) -> list[Mistake]:
    """The OOD images of highest score that were accepted, and the ID images of lowest score that were rejected.

    Args:
        scores: of a run with the method `METHOD` and its rule.
        known: ID dataset.
        classes: its class names.
        albums: where the images lie.

    Raises:
        ClipnError: the scores lack the method or its rule, or an image is missing.
    """
    accepted = f"accepts_{METHOD}"
    if not {METHOD, accepted} <= set(scores):
        raise ClipnError(f"mistakes: the scores have no {METHOD} and {accepted}; score a run with that rule")
    under = scores[scores["id"] == known]
    wrong = _most_confident(under, known, accepted)
    pictures = {
        (name, row): picture
        for name, rows in wrong.groupby("dataset", sort=False)["row"]
        for row, picture in _pictures(str(name), set(rows), albums)
    }
    return [
        Mistake(
            image=pictures[row["dataset"], row["row"]],
            truth=classes[row["label"]] if row["dataset"] == known else row["dataset"],
            taken_for=classes[row["prediction"]],
            score=float(expit(row[METHOD])),
            known=row["dataset"] == known,
        )
        for row in wrong.to_dict("records")
    ]


def _most_confident(scores: pd.DataFrame, known: str, accepted: str) -> pd.DataFrame:
    own, others = part(scores, known, known), scores[scores["dataset"] != known]
    return pd.concat(
        [
            others[others[accepted]].nlargest(COUNT, METHOD),
            own[~own[accepted]].nsmallest(COUNT, METHOD),
        ]
    )


def _pictures(name: str, rows: set[int], albums: Albums) -> Iterator[tuple[int, Image.Image]]:
    """Rows of a dataset's manifest and their images; reading stops at the last one wanted."""
    location = locate(albums.registry.dataset(name), albums.archives / name, albums.base, albums.unpacked.get(name))
    left = set(rows)
    for row, image in enumerate(read_images(location)):
        if row in left:
            yield row, image.open()
            left.remove(row)
        if not left:
            return
    raise ClipnError(f"{name}: has fewer images than its scores; verify the dataset and score the run again")
