"""Detectors in files: what is read says what was written said, of the same model and no other."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import clipn
from clipn.errors import ClipnError
from clipn.evaluation import detector as detectors
from clipn.evaluation.saved_detector import FORMAT
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import save_checkpoint
from clipn.model.source import ModelSource
from clipn.model.tensors import read_safetensors, write_safetensors
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip

CLASSES = ["cat", "dog", "axolotl"]
IMAGES = torch.randn(60, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_checkpoint(tmp_path / "model.safetensors", taught_model().state_dict(), ARCHITECTURE, {})
    save_backbone(tmp_path / "plain.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calibrated(model: str) -> clipn.Detector:
    detector = clipn.Detector(clipn.open_model(model), CLASSES, "single", 50.0)
    detector.calibrate(IMAGES[:40], 0.9)
    return detector


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("model", ["model.safetensors", "plain.safetensors"])
def test_what_is_read_is_what_was_written(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = calibrated(model)
    written.save("detector.safetensors")

    def encoded(*_: object) -> Tensor:
        raise AssertionError("texts are encoded again")

    for tower in ("yes_weights", "no_weights"):
        monkeypatch.setattr(detectors, tower, encoded)
    read = clipn.load_detector("detector.safetensors")
    assert (read.classes, read.prompts, read.logit_scale) == (CLASSES, "single", 50.0)
    assert read.threshold == written.threshold
    for found, expected in zip(read.detect(IMAGES), written.detect(IMAGES), strict=True):
        assert (found == expected).all()


@pytest.mark.usefixtures("folder")
def test_without_a_threshold_the_rule_decides() -> None:
    written = clipn.Detector(clipn.load("model.safetensors"), CLASSES, "single")
    written.save("detector.safetensors")
    read = clipn.load_detector("detector.safetensors")
    assert read.threshold is None
    assert torch.equal(read.accepts(IMAGES), written.accepts(IMAGES, "atd"))


@pytest.mark.usefixtures("folder")
def test_the_same_detector_gives_the_same_bytes() -> None:
    for name in ("a", "b"):
        calibrated("model.safetensors").save(f"{name}.safetensors")
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


def test_it_is_small(folder: Path) -> None:
    calibrated("model.safetensors").save("detector.safetensors")
    assert (folder / "detector.safetensors").stat().st_size < 4_000


def test_a_model_beside_the_detector_is_found_from_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrated("model.safetensors").save("detector.safetensors")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert clipn.load_detector("../detector.safetensors").classes == CLASSES


def test_a_model_that_moved(folder: Path) -> None:
    calibrated("model.safetensors").save("detector.safetensors")
    moved = (folder / "model.safetensors").rename(folder / "moved.safetensors")
    with pytest.raises(
        ClipnError, match=r"^detector\.safetensors: its model model\.safetensors is not there; name the"
    ):
        clipn.load_detector("detector.safetensors")
    for model in (moved, clipn.load(moved)):
        assert clipn.load_detector("detector.safetensors", model).classes == CLASSES


@pytest.mark.usefixtures("folder")
def test_a_model_that_moved_is_opened_as_before(tmp_path: Path) -> None:
    """Shapes and path tell neither the architecture of a weight file nor its tag."""
    (tmp_path / "tiny.json").write_text(json.dumps({**ARCHITECTURE, "quick_gelu": True}))
    save_file(tiny_clip().state_dict(), tmp_path / "weights.safetensors")
    written = clipn.Detector(clipn.open_model(ModelSource(Path("weights.safetensors"), "tiny.json")), CLASSES, "single")
    written.save("detector.safetensors")
    (tmp_path / "weights.safetensors").rename(tmp_path / "moved.safetensors")
    for model in ("moved.safetensors", ModelSource(Path("moved.safetensors"))):
        read = clipn.load_detector("detector.safetensors", model)
        assert torch.equal(read.yes_logits(IMAGES), written.yes_logits(IMAGES))


@pytest.mark.usefixtures("folder")
def test_prompts_of_ones_own_need_not_be_there_any_more(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a {} of mine\n")
    clipn.Detector(clipn.load("model.safetensors"), CLASSES, "mine.txt").save("detector.safetensors")
    (tmp_path / "mine.txt").unlink()
    assert clipn.load_detector("detector.safetensors").prompts == "mine.txt"


def test_another_model_in_its_place(folder: Path) -> None:
    calibrated("model.safetensors").save("detector.safetensors")
    save_checkpoint(folder / "model.safetensors", taught_model(seed=1).state_dict(), ARCHITECTURE, {})
    for model in (None, clipn.load("model.safetensors")):
        with pytest.raises(ClipnError, match=r"^model\.safetensors: is not the model of detector\.safetensors, which"):
            clipn.load_detector("detector.safetensors", model)
    with pytest.raises(ClipnError, match="the model that was given is in no file, so nothing tells whether it is"):
        clipn.load_detector("detector.safetensors", taught_model())


def test_a_model_that_is_in_no_file(tmp_path: Path) -> None:
    detector = clipn.Detector(taught_model(), CLASSES, "single")
    with pytest.raises(ClipnError, match=r"detector\.safetensors: the detector's model is in no file; save it, and"):
        detector.save(tmp_path / "detector.safetensors")


@pytest.mark.usefixtures("folder")
def test_a_file_of_something_else() -> None:
    with pytest.raises(ClipnError, match=r"holds 'clipn-checkpoint-1', expected 'clipn-detector-1'"):
        clipn.load_detector("model.safetensors")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"logit_scale": "NaN"}, "logit_scale nan: give the positive number that multiplied the cosines"),
        ({"logit_scale": None}, "'logit_scale'"),
        ({"threshold": "{"}, "Expecting property name"),
        ({"threshold": "[]"}, "argument after ** must be a mapping"),
        (
            {"threshold": '{"method": "mcm", "ranking": NaN, "recall": 0.9, "images": 20}'},
            "threshold nan of mcm: is no",
        ),
        ({"model": "3"}, "'int' object has no attribute"),
        ({"further": "3"}, "unexpected keyword argument 'further'"),
    ],
    ids=str,
)
def test_headers_that_are_not_those_of_a_detector(change: dict[str, str | None], reason: str) -> None:
    calibrated("plain.safetensors").save("detector.safetensors")
    tensors, header = read_safetensors(Path("detector.safetensors"), FORMAT)
    changed = {key: value for key, value in {**header, **change}.items() if value is not None}
    write_safetensors(Path("detector.safetensors"), tensors, changed)
    with pytest.raises(ClipnError) as caught:
        clipn.load_detector("detector.safetensors")
    assert str(caught.value).startswith("detector.safetensors: its header is not that of a detector (")
    assert reason in str(caught.value)
