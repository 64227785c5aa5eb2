"""Greedy soups: the score that decides against the detector, and which runs it chooses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.planted import ID, Size, plant, scoring_inputs
from clipn.errors import ClipnError
from clipn.evaluation.detector import Detector
from clipn.evaluation.greedy_soup import HeldOut, average_greedily
from clipn.features.stored import read_image_features
from clipn.files import file_hash
from clipn.metrics import auroc
from clipn.model.checkpoint import save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.tensors import read_metadata, read_tensors
from tests.helpers.tiny_model import ARCHITECTURE, taught_model

SIZE = Size({ID: 30, "dtd": 20, "mnist": 25}, classes=4, negatives=10, width=32)
CLASSES = [f"class {number}" for number in range(SIZE.classes)]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    folder = tmp_path_factory.mktemp("held_out")
    plant(folder, SIZE, runs=0)
    inputs = scoring_inputs(folder)
    return HeldOut({ID: ["dtd", "mnist"]}, inputs.datasets, inputs.features, "single", 50.0)


@pytest.mark.parametrize("scale", [50.0, None])
@pytest.mark.parametrize("prompts", [4, 0])
def test_the_score_is_that_of_the_detector(held_out: HeldOut, scale: float | None, prompts: int) -> None:
    """Averaged over the OOD sets; a hand-crafted model says "no" by negated texts."""
    model = taught_model(seed=3, prompts=prompts)
    detector = Detector(model, CLASSES, "single", scale)
    scores = {
        name: detector.score(torch.from_numpy(read_image_features(held_out.features / f"{name}.safetensors")), "atd")
        for name in SIZE.images
    }
    expected = (auroc(scores[ID], scores["dtd"]) + auroc(scores[ID], scores["mnist"])) / 2
    assert replace(held_out, logit_scale=scale).score(model) == pytest.approx(expected, abs=1e-9)
    assert 0 < expected < 1


# Which runs are chosen: all are the same but for their prompts, which are one number


def write(folder: Path, value: float) -> Path:
    model = taught_model()
    model.no.prompts.fill_(value)
    path = folder / f"{value}.safetensors"
    save_checkpoint(path, model.state_dict(), ARCHITECTURE, {"seed": str(value)})
    return path


def scored_by(monkeypatch: pytest.MonkeyPatch, worth: Callable[[float], float]) -> None:
    monkeypatch.setattr(HeldOut, "score", lambda self, model: worth(prompt(model)))


def prompt(model: CLIPN) -> float:
    return float(model.no.prompts.mean())


@pytest.mark.parametrize(
    ("worth", "chosen", "mean"),
    [
        # Best alone is 2.5; with 1 the mean is 1.75 and nearer to 2, with 9, too, it is farther.
        (lambda value: -((value - 2) ** 2), [2.5, 1.0], -(0.25**2)),
        (lambda value: 0.5, [1.0, 9.0, 2.5], 0.5),
        (lambda value: value, [9.0], 9.0),
    ],
)
def test_runs_are_added_the_best_first_as_long_as_the_score_does_not_fall(
    tmp_path: Path,
    held_out: HeldOut,
    monkeypatch: pytest.MonkeyPatch,
    worth: Callable[[float], float],
    chosen: list[float],
    mean: float,
) -> None:
    scored_by(monkeypatch, worth)
    paths = [write(tmp_path, value) for value in (1.0, 9.0, 2.5)]
    average_greedily(paths, "tiny/greedy", tmp_path / "soup.safetensors", held_out)
    header = read_metadata(tmp_path / "soup.safetensors")
    assert json.loads(header["soup_of_sha256"]) == [file_hash(tmp_path / f"{value}.safetensors") for value in chosen]
    assert json.loads(header["held_out_auroc"]) == {
        "runs": [worth(1), worth(9), worth(2.5)],
        "mean": pytest.approx(mean),
    }
    prompts = read_tensors(tmp_path / "soup.safetensors")["no.prompts"]
    assert torch.equal(prompts, torch.full_like(prompts, sum(chosen) / len(chosen)))


def test_refusals(tmp_path: Path, held_out: HeldOut) -> None:
    output = tmp_path / "soup.safetensors"
    paths = [write(tmp_path, value) for value in (1.0, 2.0)]
    with pytest.raises(ClipnError, match="development: no held-out images to choose runs on"):
        average_greedily(paths, "soup", output, replace(held_out, pairs={}))
    with pytest.raises(ClipnError, match="name each run once"):
        average_greedily([*paths, paths[0]], "soup", output, held_out)
    with pytest.raises(ClipnError, match=r"svhn\.safetensors: no such file"):
        average_greedily(paths, "soup", output, replace(held_out, pairs={ID: ["svhn"]}))
    with pytest.raises(ClipnError, match="nosuch"):
        average_greedily(paths, "soup", output, replace(held_out, prompts="nosuch"))
    assert not output.exists()
