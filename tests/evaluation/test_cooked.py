"""COOkeD: the mean of three softmaxes against plain loops, and what does not belong together."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from benchmarks.planted import ID, SCALE, Size, plant, scoring_inputs, towers
from clipn.errors import ClipnError
from clipn.evaluation.cooked import log_mean_softmax
from clipn.evaluation.scoring import Methods, score_pairs
from clipn.features.stored import (
    IMAGE_FORMAT,
    NETWORK_FORMAT,
    PROBE_FORMAT,
    read_image_features,
    read_network_logits,
    read_norms,
    read_probe,
)
from clipn.metrics.calibration import image_calibration
from clipn.model.tensors import write_arrays

SIZE = Size({ID: 40, "sun": 30}, classes=4, negatives=10, width=16)
SCORES = ["msp", "entropy"]


def write_probe(path: Path, classes: int = SIZE.classes, width: int = SIZE.width) -> None:
    draw = np.random.default_rng(1)
    weights, bias = 0.3 * draw.normal(size=(classes, width)), draw.normal(size=classes)
    write_arrays(path, {"weights": weights, "bias": bias}, {"format": PROBE_FORMAT})


def write_logits(path: Path, images: int, classes: int = SIZE.classes) -> None:
    logits = 3 * np.random.default_rng(images).normal(size=(images, classes)).astype(np.float32)
    write_arrays(path, {"logits": logits}, {"format": NETWORK_FORMAT})


@pytest.fixture
def world(tmp_path: Path) -> Path:
    plant(tmp_path, SIZE, runs=1)
    write_probe(tmp_path / "probe.safetensors")
    for name, images in SIZE.images.items():
        write_logits(tmp_path / f"network/{name}.safetensors", images)
    return tmp_path


def scored(world: Path) -> pd.DataFrame:
    fitted = {"fits": {ID: world / "probe.safetensors"}, "networks": {ID: world / "network"}}
    inputs, output = scoring_inputs(world), world / "scores.parquet"
    score_pairs(lambda _: towers(world, 0), Methods(SCORES), SIZE.pairs, inputs, output, **fitted)
    return pd.read_parquet(output)


def dot(one: list[float], other: list[float]) -> float:
    return math.fsum(first * second for first, second in zip(one, other, strict=True))


def plain_softmax(row: list[float]) -> list[float]:
    total = math.fsum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def plain_mean(world: Path, name: str) -> list[list[float]]:
    """Mean of the three softmaxes of every image, one image and one class after the other."""
    path = scoring_inputs(world).features / f"{name}.safetensors"
    weights, bias = read_probe(world / "probe.safetensors")
    network = read_network_logits(world / f"network/{name}.safetensors")
    means = []
    for unit, norm, logits in zip(read_image_features(path), read_norms(path), network, strict=True):
        image = [float(value) for value in unit]
        zero_shot = [SCALE * dot(image, row) for row in towers(world, 0).yes.tolist()]
        raw = [float(norm) * value for value in image]
        probed = [dot(raw, row) + b for row, b in zip(weights.tolist(), bias.tolist(), strict=True)]
        three = map(plain_softmax, (zero_shot, probed, logits.tolist()))
        means.append([math.fsum(of_class) / 3 for of_class in zip(*three, strict=True)])
    return means


@pytest.mark.parametrize("name", SIZE.images)
def test_scores_are_those_of_the_mean_of_three_softmaxes(world: Path, name: str) -> None:
    table = scored(world)
    rows, p = table[table["dataset"] == name], plain_mean(world, name)
    np.testing.assert_allclose(expit(rows["msp"]), [max(row) for row in p], rtol=1e-6)
    entropies = [-math.fsum(value * math.log(value) for value in row) for row in p]
    np.testing.assert_allclose(-rows["entropy"], entropies, rtol=1e-6)
    assert rows["prediction"].tolist() == [row.index(max(row)) for row in p]
    if name == ID:
        worth = image_calibration(np.log(p), rows["label"].to_numpy())
        np.testing.assert_allclose(rows["confidence"], worth.confidence, rtol=1e-6)
        np.testing.assert_allclose(rows["nll"], worth.nll, rtol=1e-6)


def test_each_of_the_three_counts(world: Path) -> None:
    before = scored(world)
    path = scoring_inputs(world).features / "sun.safetensors"
    unit, norms = read_image_features(path), read_norms(path)
    write_arrays(path, {"image": unit, "norms": 2 * norms}, {"format": IMAGE_FORMAT})
    longer = scored(world)
    write_arrays(path, {"image": unit, "norms": norms}, {"format": IMAGE_FORMAT})
    write_logits(world / "network/sun.safetensors", 30)
    assert scored(world).equals(before)
    assert (longer["msp"] != before["msp"]).tolist() == (before["dataset"] == "sun").tolist()


def test_the_logarithm_of_the_mean_is_exact_where_softmaxes_underflow() -> None:
    """Of one that is sure beyond float64 and two that are not, the mean is 2/3; of three that are, nothing is lost."""
    sure = np.array([[800.0, 0, 0]])
    np.testing.assert_allclose(log_mean_softmax(sure, sure, sure), [[0, -800, -800]], rtol=1e-12)
    even = np.zeros((1, 2))
    np.testing.assert_allclose(np.exp(log_mean_softmax(even, 1e4 * np.array([[1.0, 0]]), even)), [[2 / 3, 1 / 3]])


def without_norms(world: Path) -> None:
    path = scoring_inputs(world).features / "sun.safetensors"
    write_arrays(path, {"image": read_image_features(path)}, {"format": IMAGE_FORMAT})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_norms, r"sun\.safetensors: has no norms, .*; delete it and cache them again"),
        (lambda world: write_probe(world / "probe.safetensors", classes=3), r"probe\.safetensors: is of other classes"),
        (lambda world: write_probe(world / "probe.safetensors", width=8), r"probe\.safetensors: is of other classes"),
        (
            lambda world: write_logits(world / "network/sun.safetensors", 29),
            r"network/sun\.safetensors: is of shape \(29, 4\), expected 30 images and 4 classes; cache it again",
        ),
        (
            lambda world: write_logits(world / f"network/{ID}.safetensors", 40, 5),
            r"is of shape \(40, 5\), expected 40 images and 4 classes; cache it again",
        ),
        (lambda world: (world / "network/sun.safetensors").unlink(), r"network/sun\.safetensors: no such file"),
        (lambda world: (world / "probe.safetensors").write_bytes(b"{"), r"probe\.safetensors: not a whole safetensors"),
    ],
)
def test_what_does_not_belong_together_is_refused(world: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(world)
    with pytest.raises(ClipnError, match=message):
        scored(world)
    assert not (world / "scores.parquet").exists()
