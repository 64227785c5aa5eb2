"""Detections as one HTML page of thumbnails, sorted by score, that a person can judge by eye."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image

from clipn.data.readers.image import UndecodableError
from clipn.evaluation.detect import Detection
from clipn.evaluation.detector import Detector
from clipn.features.given_images import read_picture
from clipn.files import write_text
from clipn.report.page.rendering import render
from clipn.scores import SCORES

TEMPLATE = "detections.html.jinja"
MOST = 1_000
"""Thumbnails of a page, which is then about 8 MB."""
SIDE = 160
"""Pixels of a thumbnail's longer side."""


@dataclass(frozen=True)
class Tile:
    """One image: what was said of it, and its thumbnail as JPEG in base64."""

    detection: Detection
    jpeg: str


def write_page(
    path: Path, detections: Sequence[Detection], detector: Detector, method: str | None, rule: str | None, summary: str
) -> None:
    """Write the page.

    Args:
        path: HTML to write.
        detections: of all images.
        detector: who said it.
        method: as it was asked for.
        rule: as it was asked for.
        summary: how many images of each kind there were.
    """
    scored = sorted((row for row in detections if not row.error), key=lambda row: (row.ranking, row.file))
    tiles = [Tile(row, _thumbnail(row.file)) for row in _spread(scored)]
    text = render(
        TEMPLATE,
        tiles=tiles,
        border=next((index for index, tile in enumerate(tiles) if tile.detection.decision == "ID"), None),
        scored=len(scored),
        errors=[row for row in detections if row.error],
        classes=detector.classes,
        method=SCORES[detector.method(method)].label,
        decided_by=detector.decided_by(rule),
        summary=summary,
    )
    write_text(path, text)


def _spread(rows: list[Detection]) -> list[Detection]:
    """All rows; of more than `MOST`, as many, spread evenly over their order."""
    if len(rows) <= MOST:
        return rows
    return [rows[index] for index in np.linspace(0, len(rows) - 1, MOST).round().astype(int)]


def _thumbnail(file: str) -> str:
    try:
        picture = read_picture(Path(file))
    except UndecodableError:  # the file was there a moment ago
        picture = PIL.Image.new("RGB", (SIDE, SIDE), "grey")
    picture.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return b64encode(buffer.getvalue()).decode("ascii")
