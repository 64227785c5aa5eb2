"""Where the scores of a method part images of the classes from others."""

import math
from dataclasses import dataclass

from scipy.special import expit

from clipn.errors import ClipnError
from clipn.metrics.conformal import recall_range
from clipn.scores import SCORES


@dataclass(frozen=True)
class Threshold:
    """A threshold on the scores of a method.

    Attributes:
        method: name in `clipn.scores.SCORES`.
        ranking: the least `Score.ranking` of an accepted image.
        recall: share of images of the classes that reach it, at least (see `clipn.metrics.conformal`).
        images: number of images of the classes that it was taken from.
    """

    method: str
    ranking: float
    recall: float
    images: int

    def __post_init__(self) -> None:
        if self.method not in SCORES or not math.isfinite(self.ranking):
            raise ClipnError(
                f"threshold {self.ranking} of {self.method}: is no number, or of no method; calibrate again"
            )

    @property
    def score(self) -> float:
        """The same as a score of `Detector.score`."""
        return float(expit(self.ranking)) if SCORES[self.method].log_odds else self.ranking

    def __str__(self) -> str:
        """In words, with how far the recall of a threshold from so many images may be off."""
        lowest, highest = recall_range(self.images, self.recall)
        return (
            f"{SCORES[self.method].label} {self.score:.4g} or more, which a new image of the classes reaches with "
            f"probability {self.recall:.1%} at least (from {self.images:,} images, of which 9 in 10 sets give a "
            f"threshold that {lowest:.1%} to {highest:.1%} reach)"
        )
