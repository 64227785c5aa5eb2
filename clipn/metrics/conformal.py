"""A threshold with a guarantee: split conformal prediction, which assumes nothing about the scores.

Of n + 1 exchangeable images, a new one ranks k-th or lower among all with probability k / (n + 1) at most. So if the
threshold is the k-th smallest score of n ID images, with k = floor((n + 1) (1 - recall)), a new ID image reaches it
with probability `recall` at least, whatever the model and the method (Vovk, Gammerman and Shafer, 2005; Lei et al.,
JASA 2018). The probability is over the n images, too: for one set of them the recall varies as Beta(n + 1 - k, k) does.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from clipn.errors import ClipnError

SLACK = 1e-9
"""What rounding may add to (n + 1) (1 - recall): 20 x 0.05 is less than 1 in floating point."""


def conformal_threshold(scores: NDArray[np.floating], recall: float) -> float:
    """Largest threshold that a new ID image reaches with probability `recall`, at least.

    Args:
        scores: (n,) of ID images that the model was not trained on, higher = more in-distribution.
        recall: share of ID images to accept, above 0 and below 1.

    Raises:
        ClipnError: the recall is out of its range, a score is not finite, or there are too few of them.
    """
    if not 0 < recall < 1:
        raise ClipnError(f"recall {recall:g}: give a share between 0 and 1, such as 0.95")
    if not np.isfinite(scores).all():
        raise ClipnError("scores: hold NaN or infinity; check the images and the weights they were made from")
    below = _below(len(scores), recall)
    if below == 0:
        raise ClipnError(
            f"recall {recall:g}: {len(scores)} images are too few; it takes {fewest_images(recall)} at least"
        )
    return float(np.partition(scores, below - 1)[below - 1])


def fewest_images(recall: float) -> int:
    """Smallest number of ID images that a threshold for a recall can be taken from."""
    return math.ceil(1 / (1 - recall) - 1 - SLACK)


def recall_range(images: int, recall: float, share: float = 0.9) -> tuple[float, float]:
    """Between which recalls the threshold from so many images lies in this `share` of cases (scores without ties)."""
    below = _below(images, recall)
    tail = (1 - share) / 2
    lowest, highest = betaincinv(images + 1 - below, below, [tail, 1 - tail])
    return float(lowest), float(highest)


def _below(images: int, recall: float) -> int:
    return math.floor((images + 1) * (1 - recall) + SLACK)
