"""Class features of five prompts, beside those of planted images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipn.features.stored import PROMPTS_FORMAT, read_negative_labels
from clipn.model.tensors import write_arrays


def write_prompts(
    features: Path, id_dataset: str, width: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Write the prompt features of an ID dataset; the later the prompt, the less its texts say of the classes.

    Args:
        features: folder of image features, in which NegLabel's labels lie.
        id_dataset: whose classes.
        width: entries of a feature that are kept; None: all.

    Returns:
        Texts (5, classes, width), and two pretraining images (2, width).
    """
    draw = np.random.default_rng(4)
    labels, _ = read_negative_labels(features / f"negative_labels/{id_dataset}.safetensors")
    noise = np.linspace(0, 1, 5)[:, None, None] * draw.normal(size=(5, *labels.shape))
    blurred = (labels + noise)[..., :width]
    texts = (blurred / np.linalg.norm(blurred, axis=2, keepdims=True)).astype(np.float32)
    pretraining = draw.normal(size=(2, texts.shape[2])) / 4
    arrays = {"texts": texts, "pretraining": pretraining.mean(axis=0)}
    header = {"format": PROMPTS_FORMAT, "prompts": "five"}
    write_arrays(features / f"prompts/{id_dataset}.safetensors", arrays, header)
    return texts, pretraining
