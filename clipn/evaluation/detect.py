"""What a detector says of many image files, a few at a time."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clipn.evaluation.detector import Detector
from clipn.evaluation.threshold import Threshold
from clipn.features.loading import FileReading, file_batches
from clipn.progress import warn


class Detection(NamedTuple):
    """What a detector says of one file.

    Attributes:
        file: its path as it was named.
        decision: `ID`, `OOD`, or empty where nothing decides.
        best_class: name of the best class.
        share: its probability among the classes.
        score: of the method, higher = more in-distribution.
        threshold: that scores are compared with; None under a threshold-free rule.
        ranking: see `clipn.evaluation.detector.Detections`.
        error: why the file was not scored; all between it and `file` is then empty.
    """

    file: str
    decision: str = ""
    best_class: str = ""
    share: float | None = None
    score: float | None = None
    threshold: float | None = None
    ranking: float | None = None
    error: str = ""


def detect_files(
    detector: Detector,
    files: Sequence[str],
    method: str | None = None,
    rule: str | None = None,
    reading: FileReading | None = None,
    what: str = "detect",
) -> Iterator[Detection]:
    """What a detector says of files, in their order; one that does not decode has its reason in place of scores.

    Args:
        detector: who says it.
        files: paths of images.
        method: as for `Detector.score`.
        rule: as for `Detector.accepts`.
        reading: how files are read.
        what: name of the progress meter.

    Raises:
        ClipnError: as `Detector.detect`.
    """
    # Asked beforehand, so that a wrong name is told before the first file is read.
    method, rule = detector.method(method), None if rule is None else detector.rule(rule)
    threshold = None if rule is not None or detector.threshold is None else detector.threshold.score
    for part in file_batches(files, detector.model.preprocess, reading or FileReading(), what):
        tensors = [image for _, image in part if isinstance(image, Tensor)]
        rows = _rows(detector, torch.stack(tensors), method, rule, threshold) if tensors else iter(())
        for file, image in part:
            # A name on the disk may be no UTF-8, which no output could hold.
            name = os.fsencode(file).decode(errors="backslashreplace")
            yield Detection(name, error=image) if isinstance(image, str) else next(rows)._replace(file=name)


def calibrate_on_files(
    detector: Detector, files: Sequence[str], recall: float, method: str | None, reading: FileReading
) -> Threshold:
    """As `Detector.calibrate`; files that do not decode are named and left out."""
    name, ranking = detector.method(method), []
    detector.threshold = None
    for row in detect_files(detector, files, name, None, reading, "calibrate"):
        if row.ranking is None:
            warn(f"{row.file}: {row.error}; calibrated without it")
        else:
            ranking.append(row.ranking)
    return detector.calibrate_on(np.array(ranking), recall, name)


def _rows(
    detector: Detector, images: Tensor, method: str, rule: str | None, threshold: float | None
) -> Iterator[Detection]:
    found = detector.detect(images, method, rule)
    for row, best in enumerate(found.best):
        decision = "" if found.accepted is None else ("ID" if found.accepted[row] else "OOD")
        numbers = (float(found.share[row]), float(found.score[row]), threshold, float(found.ranking[row]))
        yield Detection("", decision, detector.classes[best], *numbers)
