"""The linear probe against its own objective, and probes of others by the shapes of their tensors."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.special import softmax
from torch import Tensor

from benchmarks.planted import ID, Size, scoring_inputs
from clipn.errors import ClipnError
from clipn.evaluation.fitted import probe as module
from clipn.evaluation.fitted.images import TrainingImages
from clipn.evaluation.fitted.imported_probe import convert_probe
from clipn.evaluation.fitted.probe import fit_probe, write_probe
from clipn.evaluation.fitted.shots import training_rows
from clipn.features.stored import read_image_features, read_norms, read_probe
from clipn.model.tensors import read_metadata
from tests.helpers.training_images import TRAIN, plant_training

SIZE = Size({ID: 20, "sun": 10}, classes=4, negatives=10, width=16)
WIDTH = SIZE.width


def images_of(classes: int, count: int = 30, seed: int = 0) -> list[np.ndarray]:
    """Features that are not normalised, of lengths about 10 as those of ViT-B/16."""
    draw = np.random.default_rng(seed)
    return [draw.normal(size=WIDTH) + 2 * draw.normal(size=(count + label, WIDTH)) for label in range(classes)]


def objective(weights: Tensor, bias: Tensor, features: list[np.ndarray]) -> Tensor:
    """Mean loss, whose penalty is half the squared length of the weights over the number of images."""
    stacked = torch.from_numpy(np.concatenate(features))
    labels = torch.tensor([label for label, rows in enumerate(features) for _ in rows])
    loss = torch.nn.functional.cross_entropy(stacked @ weights.T + bias, labels)
    return loss + weights.square().sum() / (2 * len(labels))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    plant_training(folder, SIZE)
    return folder


@pytest.mark.parametrize("classes", [3, 7])
def test_the_gradient_of_the_objective_is_zero(classes: int) -> None:
    features = images_of(classes)
    weights, bias = (torch.from_numpy(array).requires_grad_() for array in fit_probe(features))
    objective(weights, bias, features).backward()
    for tensor in (weights, bias):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() < 1e-7


@pytest.mark.parametrize("classes", [3, 7])
def test_it_is_the_solution_that_torch_finds(classes: int) -> None:
    features = images_of(classes)
    parameters = [torch.zeros(shape, dtype=torch.float64).requires_grad_() for shape in ((classes, WIDTH), (classes,))]
    weights, bias = parameters
    solver = torch.optim.LBFGS(
        parameters, max_iter=2000, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        loss = objective(weights, bias, features)
        loss.backward()
        return loss

    solver.step(closure)
    found, stacked = fit_probe(features), np.concatenate(features)
    expected = softmax(stacked @ weights.detach().numpy().T + bias.detach().numpy(), axis=1)
    np.testing.assert_allclose(softmax(stacked @ found.weights.T + found.bias, axis=1), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.weights, weights.detach(), rtol=0, atol=1e-6)


def test_of_two_classes_it_is_the_binary_regression() -> None:
    features = images_of(2)
    found = fit_probe(features)
    assert found.weights.shape == (2, WIDTH)
    assert not found.weights[0].any()
    weights, bias = (torch.from_numpy(array).requires_grad_() for array in found)
    objective(weights, bias, features).backward()
    assert weights.grad is not None
    assert weights.grad[1].abs().max() < 1e-7


def test_the_same_images_give_the_same_digits() -> None:
    features = images_of(5)
    for first, second in zip(fit_probe(features), fit_probe(features), strict=True):
        np.testing.assert_array_equal(first, second)


def test_one_class_and_a_fit_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClipnError, match="are all of one class, and a probe tells several apart; name more"):
        fit_probe(images_of(1))
    monkeypatch.setattr(module, "ITERATIONS", 2)
    with pytest.raises(ClipnError, match="the probe does not converge in 2 iterations; look at the features"):
        fit_probe(images_of(3))


def test_the_file_holds_the_probe_of_the_chosen_images_as_long_as_they_came(world: Path, tmp_path: Path) -> None:
    inputs, output = scoring_inputs(world), tmp_path / "probe.safetensors"
    write_probe(ID, TrainingImages(TRAIN, 8, seed=5), inputs.datasets, inputs.features, output)
    path = inputs.features / f"{TRAIN}.safetensors"
    raw = read_norms(path)[:, None].astype(np.float64) * read_image_features(path)
    expected = fit_probe([raw[rows] for rows in training_rows(inputs.datasets, ID, TRAIN, 8, 5)])
    for found, whole in zip(read_probe(output), expected, strict=True):
        np.testing.assert_array_equal(found, whole)
    header = read_metadata(output)
    assert (header["format"], header["shots"], header["seed"], "alpha" in header) == ("clipn-probe-1", "8", "5", False)


@pytest.mark.parametrize("ending", ["safetensors", "ckpt", "pt"])
def test_a_probe_of_others_is_found_by_its_shapes(world: Path, tmp_path: Path, ending: str) -> None:
    inputs, file, output = scoring_inputs(world), tmp_path / f"theirs.{ending}", tmp_path / "probe.safetensors"
    tensors = {"fc.weight": torch.randn(4, WIDTH), "fc.bias": torch.randn(4)}
    if ending == "safetensors":
        save_file(tensors, file)
    else:
        torch.save({"state_dict": tensors} if ending == "ckpt" else tensors, file)
    convert_probe(file, ID, inputs.datasets, inputs.features, output)
    for found, given in zip(read_probe(output), tensors.values(), strict=True):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, given.double())


@pytest.mark.parametrize(
    "shapes", [((5, WIDTH), (5,)), ((4, 8), (4,)), ((4, WIDTH), (4, 1)), ((4, WIDTH), (4,), (4,)), ((4, WIDTH),)]
)
def test_a_file_without_one_probe_of_these_classes_and_this_width(
    world: Path, tmp_path: Path, shapes: tuple[tuple[int, ...], ...]
) -> None:
    inputs, file = scoring_inputs(world), tmp_path / "theirs.safetensors"
    save_file({f"layer{number}": torch.ones(shape) for number, shape in enumerate(shapes)}, file)
    message = f"{file}: a probe of 4 classes on features of width 16 is one tensor of shape (4, 16) and one of (4,)"
    with pytest.raises(ClipnError, match=re.escape(message)):
        convert_probe(file, ID, inputs.datasets, inputs.features, tmp_path / "probe.safetensors")


def test_a_probe_of_others_is_not_run(world: Path, tmp_path: Path) -> None:
    inputs, file = scoring_inputs(world), tmp_path / "theirs.ckpt"
    torch.save(torch.nn.Linear(WIDTH, 4), file)
    with pytest.raises(ClipnError, match=r"theirs\.ckpt: holds more than tensors"):
        convert_probe(file, ID, inputs.datasets, inputs.features, tmp_path / "probe.safetensors")
