"""The detector that a person asks for, by its classes and a model."""

from pathlib import Path

import pytest

from clipn.evaluation.opening import Asked, open_detector
from clipn.model.backbone import save_backbone
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip


def test_a_detector_by_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_backbone(Path("plain.safetensors"), tiny_clip(), ARCHITECTURE, "tiny")
    Path("classes.txt").write_text("cat\ndog, or hound\ncat\n")
    made = open_detector(Asked(None, "classes.txt", "single", "plain.safetensors", None))
    assert made.classes == ["cat", "dog, or hound"]
    assert capsys.readouterr().err == "classes: number 3 is 'cat', as number 1 is; they are one class\n"


def test_a_list_of_classes_may_be_longer_than_any_file_name(tmp_path: Path) -> None:
    save_backbone(tmp_path / "plain.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    classes = [f"class {number}" for number in range(50)]
    made = open_detector(Asked(None, ",".join(classes), "single", str(tmp_path / "plain.safetensors"), None))
    assert made.classes == classes


@pytest.mark.parametrize("classes", ["cat;dog", "classes.txt"])
def test_one_class_alone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], classes: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save_backbone(Path("plain.safetensors"), tiny_clip(), ARCHITECTURE, "tiny")
    Path("classes.txt").write_text("cat;dog\n")
    assert open_detector(Asked(None, classes, "single", "plain.safetensors", None)).classes == ["cat;dog"]
    assert capsys.readouterr().err.startswith("classes: one alone, 'cat;dog'; write several with commas between them")


def test_an_accent_is_the_same_as_one_sign_or_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_backbone(Path("plain.safetensors"), tiny_clip(), ARCHITECTURE, "tiny")
    made = open_detector(Asked(None, "caf\u00e9,bar,cafe\u0301", "single", "plain.safetensors", None))
    assert made.classes == ["caf\u00e9", "bar"]
    assert capsys.readouterr().err == "classes: number 3 is 'cafe\u0301', as number 1 is; they are one class\n"
