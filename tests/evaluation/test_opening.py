"""Models by the names that people type: paths, records of the registry, and open_clip's tags."""

import hashlib
from pathlib import Path
from typing import Any

import open_clip
import pytest
import yaml

from clipn.errors import ClipnError
from clipn.evaluation.opening import Asked, find_model, open_detector
from clipn.model.backbone import save_backbone
from clipn.model.source import ModelSource
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip

NAME, TAG = "ViT-B-32", "laion2b_s34b_b79k"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_registry(kind: str, key: str, **record: Any) -> Path:
    content = b"weights"
    Path("mirror").mkdir()
    Path("mirror/file.safetensors").write_bytes(content)
    archive = {
        "file": "file.safetensors",
        "addresses": ["mirror/file.safetensors"],
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    path = Path("weights.yaml")
    path.write_text(yaml.safe_dump({kind: {key: {"title": "T", "architecture": NAME, "archive": archive, **record}}}))
    return path


def hub(monkeypatch: pytest.MonkeyPatch, fetch: Any) -> None:
    monkeypatch.setattr(open_clip, "download_pretrained", fetch)


def test_a_path_is_a_path() -> None:
    Path("ViT-B-32").touch()
    assert find_model("ViT-B-32", "RN50") == ModelSource(Path("ViT-B-32"), "RN50")


def test_a_backbone_of_the_registry_is_fetched_and_verified() -> None:
    registry = write_registry("backbones", f"{NAME}/{TAG}", tag=TAG)
    expected = ModelSource(Path("downloads/file.safetensors"), NAME, TAG)
    assert find_model(f"{NAME}/{TAG}", registry=registry) == expected
    assert expected.path.read_bytes() == b"weights"


def test_a_checkpoint_of_the_registry() -> None:
    registry = write_registry("checkpoints", "clipn")
    assert find_model("clipn", registry=registry) == ModelSource(Path("downloads/file.safetensors"), NAME, None)


def test_a_file_of_the_registry_that_is_another() -> None:
    registry = write_registry("checkpoints", "clipn")
    Path("mirror/file.safetensors").write_bytes(b"other")
    with pytest.raises(ClipnError, match=r"file\.safetensors: "):
        find_model("clipn", registry=registry)
    assert not Path("downloads/file.safetensors").exists()


def test_a_tag_of_open_clip_comes_from_its_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    asked = []
    hub(monkeypatch, lambda config, prefer_hf_hub: asked.append((config, prefer_hf_hub)) or "cache/weights.bin")
    assert find_model(f"{NAME}/{TAG}") == ModelSource(Path("cache/weights.bin"), NAME, TAG)
    assert asked == [(open_clip.get_pretrained_cfg(NAME, TAG), True)]


def test_a_hub_that_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> str:
        raise OSError("no route")

    hub(monkeypatch, refused)
    message = rf"^model {NAME}/{TAG}: could not be fetched \(OSError: no route\); check the network, or name a file$"
    with pytest.raises(ClipnError, match=message):
        find_model(f"{NAME}/{TAG}")


@pytest.mark.parametrize("name", [NAME, f"{NAME}/laion", "ViT-B-33/openai", "gone.pt", "clipn"])
def test_what_is_none_of_these(name: str) -> None:
    registry = write_registry("checkpoints", "released")
    with pytest.raises(ClipnError, match=rf"^model {name}: no file, no folder, .*; name one, e\.g\. released$"):
        find_model(name, registry=registry)


def test_a_detector_by_its_classes(capsys: pytest.CaptureFixture[str]) -> None:
    save_backbone(Path("plain.safetensors"), tiny_clip(), ARCHITECTURE, "tiny")
    Path("classes.txt").write_text("cat\ndog, or hound\ncat\n")
    made = open_detector(Asked(None, "classes.txt", "single", "plain.safetensors", None))
    assert made.classes == ["cat", "dog, or hound"]
    assert capsys.readouterr().err == "classes: number 3 is 'cat', as number 1 is; they are one class\n"
