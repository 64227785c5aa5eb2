"""What the "no" tower learned: cosines of images of one class with the "yes" and "no" texts of every class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.evaluation.detector import Detector

CLASSES = 12
"""Most classes that are shown."""


def similarity_table(detector: Detector, features: Tensor, labels: Sequence[int]) -> pd.DataFrame:
    """Means over the images of a class, against the texts of every class.

    Args:
        detector: model and classes.
        features: unit-norm image features (n, d) of the ID dataset.
        labels: (n,) index into the detector's classes.

    Returns:
        One row per class shown and class named: `image_class`, `text_class`, `yes` and `no`, the mean cosines with
        the two texts, and `p_no`, the mean probability of "no" (0.5: undecided). Of many classes, `CLASSES` that are
        spread evenly over their order, among those that have images.

    Raises:
        ClipnError: no image has a label.
    """
    truth = torch.as_tensor(labels)
    # -1 marks an image without a label.
    present = torch.unique(truth[truth >= 0])
    if not len(present):
        raise ClipnError("similarity: no image has a label; choose an ID dataset")
    spread = np.linspace(0, len(present) - 1, min(CLASSES, len(present))).round().astype(int)
    chosen = present[torch.as_tensor(spread)]
    tables = []
    for label in chosen.tolist():
        own = features[truth == label]
        yes, no = (logits(own).cpu()[:, chosen] for logits in (detector.yes_logits, detector.no_logits))
        # p_no needs the logits at their scale; the cosines are reported without it.
        cosines = [(logits / detector.logit_scale).mean(dim=0) for logits in (yes, no)]
        p_no = torch.sigmoid(no - yes).mean(dim=0)
        columns = dict(zip(("yes", "no", "p_no"), (*cosines, p_no), strict=True))
        texts = [detector.classes[other] for other in chosen.tolist()]
        tables.append(pd.DataFrame({"image_class": detector.classes[label], "text_class": texts, **columns}))
    return pd.concat(tables, ignore_index=True)
