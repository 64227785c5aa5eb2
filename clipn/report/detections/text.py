"""Detections as lines for a terminal."""

from collections import Counter
from collections.abc import Sequence

from clipn.evaluation.detect import Detection
from clipn.report.escaping import one_line

UNREADABLE = "error"
WIDEST = 32
"""Columns that a class name may take."""


class Lines:
    """Lines of a table whose columns are as wide as the class names need.

    Args:
        classes: names of the ID classes.
        method: name of the method.
    """

    def __init__(self, classes: Sequence[str], method: str) -> None:
        self._width = min(WIDEST, max(5, *map(len, classes)))
        self.header = f"{'':5}  {'class':{self._width}}  share  {method[:10]:>10}  threshold  file"

    def line(self, detection: Detection) -> str:
        """One row."""
        if detection.error:
            return one_line(f"{UNREADABLE:5}  {detection.file}: {detection.error}")
        name, share = detection.best_class[: self._width], f"{detection.share:.2f}"
        threshold = "" if detection.threshold is None else f"{detection.threshold:.4g}"
        score = f"{detection.score:.4g}"
        return one_line(
            f"{detection.decision:5}  {name:{self._width}}  {share:>5}  {score:>10}  {threshold:>9}  {detection.file}"
        )


def kind(detection: Detection) -> str:
    """What a row counts as: its decision, or `UNREADABLE`."""
    return UNREADABLE if detection.error else detection.decision


def summary(counts: Counter[str]) -> str:
    """How many images of each kind there were, in one line.

    Args:
        counts: images by decision, `UNREADABLE` for those that were not scored.
    """
    words = {"ID": "of the classes (ID)", "OOD": "of none (OOD)", "": "without a decision", UNREADABLE: "not readable"}
    parts = [f"{counts[key]:,} {text}" for key, text in words.items() if counts[key]]
    total = counts.total()
    remedy = "; plain CLIP needs a threshold for one: --calibrate FOLDER" if counts[""] else ""
    return f"{total:,} image{'s' * (total != 1)}: {', '.join(parts)}{remedy}"
