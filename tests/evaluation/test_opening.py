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
