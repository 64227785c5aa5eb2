"""Five scores of the same image features, by `clipn` in float64 and by pytorch-ood in float32 on all images at once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmarks.contest import Turn, timed
from benchmarks.planted import ID, SCALE, Size
from clipn.metrics import auroc

SIZE = Size({ID: 50_000, "sun": 10_000}, classes=1000, negatives=100, width=512)
METHODS = ("msp", "max_logit", "energy", "mcm", "gen")
CLASSES_OF_GEN = 100
Scores = Mapping[str, NDArray[Any]]


@cache
def inputs(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (n, d) of all images, ID first, and unit-norm class weights (classes, d)."""
    features = [load_file(folder / "features" / f"{name}.safetensors")["image"] for name in SIZE.images]
    return np.concatenate(features), load_file(folder / "texts.safetensors")["yes"]


def clipn(folder: Path, threads: int) -> Turn:
    """`clipn`'s way, from features to scores."""
    from clipn.evaluation.classifiers import IDClassifier
    from clipn.evaluation.scoring import Methods, score_features

    features, weights = inputs(folder)
    classifier = IDClassifier(SCALE, SCALE * weights.astype(np.float64))
    with ThreadPoolExecutor(threads) as pool:
        seconds, table = timed(lambda: score_features(classifier, features, None, None, Methods(METHODS), pool))
    return Turn(seconds, _results({method: table[method].to_numpy() for method in METHODS}))


def pytorch_ood(folder: Path, threads: int) -> Turn:
    """pytorch-ood's detectors, of logits that they share; MCM takes features."""
    import torch
    from pytorch_ood.detector import GEN, MCM, EnergyBased, MaxLogit, MaxSoftmax

    torch.set_num_threads(threads)
    features, weights = (torch.from_numpy(array) for array in inputs(folder))

    def work() -> dict[str, torch.Tensor]:
        logits = SCALE * features @ weights.T
        return {
            "msp": MaxSoftmax.score(logits),
            "max_logit": MaxLogit.score(logits),
            "energy": EnergyBased.score(logits),
            "mcm": MCM(None, weights).predict_features(features),
            "gen": GEN.score(logits, M=CLASSES_OF_GEN),
        }

    seconds, outlier_scores = timed(work)
    return Turn(seconds, _results({name: -scores.numpy() for name, scores in outlier_scores.items()}))


def _results(scores: Scores) -> dict[str, Any]:
    """AUROC by method, and how many different scores there are among those of all methods."""
    count = SIZE.images[ID]
    areas = {name: auroc(values[:count], values[count:]) for name, values in scores.items()}
    return areas | {"distinct": sum(len(np.unique(values)) for values in scores.values())}
