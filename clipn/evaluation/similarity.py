"""What the "no" tower learned: cosines of images of one class with the "yes" and "no" texts of every class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import Towers
from clipn.features.stored import Features

CLASSES = 12
"""Most classes that are shown."""
COLUMNS = ["image_class", "text_class", "yes", "no", "p_no"]


def similarity_table(towers: Towers, classes: Sequence[str], features: Features, labels: Sequence[int]) -> pd.DataFrame:
    """Means over the images of a class, against the texts of every class.

    Args:
        towers: of a run with a "no" tower.
        classes: names of the classes.
        features: unit-norm image features (n, d) of the ID dataset.
        labels: (n,) index into `classes`; -1 marks an image without a label.

    Returns:
        One row per class shown and class named: `image_class`, `text_class`, `yes` and `no`, the mean cosines with
        the two texts, and `p_no`, the mean probability of "no" (0.5: undecided). Of many classes, `CLASSES` that are
        spread evenly over their order, among those that have images; no row where no image has a label.

    Raises:
        ClipnError: there is no "no" tower.
    """
    if towers.no is None:
        raise ClipnError(
            "similarity: no `no` tower says anything of these classes; choose a run and a pool it can be scored with"
        )
    truth = np.asarray(labels)
    present = np.unique(truth[truth >= 0])
    if not len(present):
        return pd.DataFrame(columns=COLUMNS)
    chosen = present[np.linspace(0, len(present) - 1, min(CLASSES, len(present))).round().astype(int)]
    tables = []
    for label in chosen:
        own = features[truth == label].astype(np.float64)
        yes, no = own @ towers.yes[chosen].T, own @ towers.no[chosen].T
        p_no = expit(towers.scale * (no - yes))
        columns = {"yes": yes.mean(axis=0), "no": no.mean(axis=0), "p_no": p_no.mean(axis=0)}
        texts = [classes[other] for other in chosen]
        tables.append(pd.DataFrame({"image_class": classes[label], "text_class": texts, **columns}))
    return pd.concat(tables, ignore_index=True)
