"""Scores under a prompt pool whose prompts are weighted by the test images, as ZPE weighs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import IDClassifier
from clipn.features.stored import Features, read_prompt_features
from clipn.scores import mcm
from clipn.scores.logits import Array

ROWS = 128
"""Images that are scored at once."""


def weigh_prompts(
    features: Features, path: Path, weights_of: Callable[..., Array], logit_scale: float
) -> tuple[Array, dict[str, Any]]:
    """MCM scores (n,), higher = more in-distribution, by the weighted mean of the prompts' class features.

    That mean is not normalised anew, so logits are the weighted mean of those under each prompt, as in the authors'
    code.

    Args:
        features: unit-norm (n, d) of all images that are tested together.
        path: prompt features of an ID dataset.
        weights_of: as `clipn.adaptation.zpe.prompt_weights`.
        logit_scale: what multiplies cosines.

    Returns:
        The scores, and what a record tells: name of the pool, and weights of its prompts in their order.

    Raises:
        ClipnError: the file is missing or damaged, or of another backbone.
    """
    pool, texts, pretraining = read_prompt_features(path)
    if {texts.shape[2], len(pretraining)} != {features.shape[1]}:
        raise ClipnError(f"{path}: prompts and images differ in the size of their features; make them again")
    weights = weights_of(features, texts, pretraining, logit_scale)
    classifier = IDClassifier(logit_scale, logit_scale * np.tensordot(weights, texts, axes=1))
    batches = (features[start : start + ROWS] for start in range(0, len(features), ROWS))
    scores = np.concatenate([mcm.log_odds(classifier.evidence(batch)) for batch in batches])
    return scores, {"prompts": pool, "weights": weights.tolist()}
