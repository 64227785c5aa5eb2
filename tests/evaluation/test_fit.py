"""The classifier that is fitted on training images: its file, and the scores of its logits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp, softmax

from benchmarks.planted import ID, SCALE, Size, scoring_inputs, towers
from clipn.errors import ClipnError
from clipn.evaluation.fitted.discriminant import fit_discriminant, write_discriminant
from clipn.evaluation.fitted.images import TrainingImages
from clipn.evaluation.fitted.shots import training_rows
from clipn.evaluation.scoring import Methods, score_pairs
from clipn.features.stored import read_discriminant, read_image_features
from clipn.metrics.calibration import image_calibration
from clipn.model.tensors import read_metadata
from tests.helpers.training_images import TRAIN, plant_training, write_features

SIZE = Size({ID: 40, "sun": 30}, classes=4, negatives=10, width=16)
SCORES = ["msp", "energy", "mcm"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    plant_training(folder, SIZE)
    return folder


def fitted(world: Path, output: Path, images: TrainingImages, alpha: float = 1.0) -> Path:
    inputs = scoring_inputs(world)
    write_discriminant(ID, images, alpha, inputs.datasets, inputs.features, output)
    return output


def scored(world: Path, output: Path, fits: dict[str, Path]) -> pd.DataFrame:
    score_pairs(lambda _: towers(world, 0), Methods(SCORES), SIZE.pairs, scoring_inputs(world), output, fits=fits)
    return pd.read_parquet(output)


def test_the_file_holds_what_is_fitted_on_the_chosen_images_times_alpha(world: Path, tmp_path: Path) -> None:
    inputs = scoring_inputs(world)
    path = fitted(world, tmp_path / "fit.safetensors", TrainingImages(TRAIN, shots=8, seed=5), alpha=0.5)
    cached = read_image_features(inputs.features / f"{TRAIN}.safetensors")
    expected = fit_discriminant([cached[rows] for rows in training_rows(inputs.datasets, ID, TRAIN, 8, 5)])
    for found, whole in zip(read_discriminant(path), expected, strict=True):
        np.testing.assert_array_equal(found, whole / 2)
    header = read_metadata(path)
    assert [header[name] for name in ("shots", "seed", "alpha")] == ["8", "5", "0.5"]


def test_the_same_images_give_the_same_bytes(world: Path, tmp_path: Path) -> None:
    every = [TrainingImages(TRAIN, 8, seed) for seed in (1, 1, 2)]
    one, again, other = (
        fitted(world, tmp_path / f"{number}.safetensors", images).read_bytes() for number, images in enumerate(every)
    )
    assert one == again != other


@pytest.mark.parametrize("name", SIZE.images)
def test_scores_are_those_of_zero_shot_logits_and_the_fitted_ones_together(
    world: Path, tmp_path: Path, name: str
) -> None:
    fit = fitted(world, tmp_path / "fit.safetensors", TrainingImages(TRAIN, shots=8), alpha=0.3)
    table = scored(world, tmp_path / "scores.parquet", {ID: fit})
    rows = table[table["dataset"] == name]
    features = read_image_features(scoring_inputs(world).features / f"{name}.safetensors").astype(np.float64)
    weights, bias = read_discriminant(fit)
    logits = SCALE * features @ towers(world, 0).yes.T + (features @ weights.T + bias)
    np.testing.assert_array_equal(rows["prediction"], logits.argmax(axis=1))
    np.testing.assert_allclose(expit(rows["msp"]), softmax(logits, axis=1).max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(expit(rows["mcm"]), softmax(logits / SCALE, axis=1).max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(rows["energy"], logsumexp(logits, axis=1), rtol=1e-10)
    if name == ID:
        worth = image_calibration(logits, rows["label"].to_numpy())
        np.testing.assert_allclose(rows["confidence"], worth.confidence, rtol=1e-10)
        np.testing.assert_allclose(rows["nll"], worth.nll, rtol=1e-8)


def test_features_of_another_verification_are_refused(world: Path, tmp_path: Path) -> None:
    inputs = scoring_inputs(world)
    write_features(tmp_path / f"{TRAIN}.safetensors", np.ones((59, 16)))
    message = r"training\.safetensors: has 59 features, but .*manifest\.parquet lists 60 images; cache them again"
    with pytest.raises(ClipnError, match=message):
        write_discriminant(ID, TrainingImages(TRAIN, 8), 1.0, inputs.datasets, tmp_path, tmp_path / "fit.safetensors")
    assert not (tmp_path / "fit.safetensors").exists()


def test_a_fit_on_another_backbone_is_refused(world: Path, tmp_path: Path) -> None:
    inputs = scoring_inputs(world)
    write_features(tmp_path / f"{TRAIN}.safetensors", np.random.default_rng(0).normal(size=(60, 8)))
    write_discriminant(
        ID, TrainingImages(TRAIN, 8), 1.0, inputs.datasets, tmp_path, fit := tmp_path / "fit.safetensors"
    )
    with pytest.raises(
        ClipnError, match=r"fit\.safetensors: is of other classes, or of another backbone, .*fit it again"
    ):
        scored(world, tmp_path / "scores.parquet", {ID: fit})
