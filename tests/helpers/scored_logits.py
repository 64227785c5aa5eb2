"""Logits of made-up images for the tests of scores."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.helpers.plain_scores import Image

Array = np.ndarray[Any, np.dtype[np.float64]]
Batch = dict[str, Array]
"""All logits of some images, by the keyword that `Score` takes them by."""

NAMES = [field.name for field in fields(Image)]
WORDS = ("negatives", "csp_negatives", "eoe_outliers")
"""Those whose columns are words."""
OF_NO_CLASS = {"local", *WORDS}
"""Those whose columns are no classes: patches, too."""

few = settings(max_examples=30, derandomize=True, deadline=None)


def batches(limit: float, classes: tuple[int, int] = (1, 5)) -> st.SearchStrategy[Batch]:
    """Batches of up to 4 images, logits within plus or minus `limit`."""
    elements = st.floats(-limit, limit)

    def of_size(size: tuple[int, int, int]) -> st.SearchStrategy[Batch]:
        images, labels, negatives = size
        shapes = {name: (images, negatives if name in OF_NO_CLASS else labels) for name in NAMES}
        return st.fixed_dictionaries(
            {name: arrays(np.float64, shape, elements=elements) for name, shape in shapes.items()}
        )

    return st.tuples(st.integers(1, 4), st.integers(*classes), st.integers(1, 5)).flatmap(of_size)


def batch(images: int = 6, classes: int = 5, negatives: int = 7, seed: int = 0) -> Batch:
    """Logits within 0 and 30, no two alike."""
    draw = np.random.default_rng(seed)
    return {name: draw.uniform(0, 30, (images, negatives if name in OF_NO_CLASS else classes)) for name in NAMES}


def images_of(logits: Batch) -> list[Image]:
    rows = zip(*(logits[name] for name in NAMES), strict=True)
    return [Image(*([Decimal(float(value)) for value in row] for row in matrices)) for matrices in rows]
