"""Models by the names that people type: paths, records of a registry, and open_clip's tags."""

import hashlib
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import yaml

import clipn
from clipn.data import packaged
from clipn.errors import ClipnError
from clipn.evaluation.models import find_model
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.source import ModelSource
from tests.helpers.server import Response, Server
from tests.helpers.tiny_model import ARCHITECTURE
from tests.model.test_opening import MODEL, said

NAME, TAG = "ViT-B-32", "laion2b_s34b_b79k"
CONTENT = b"weights"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, beside the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's files as an installed package has them."""
    monkeypatch.setattr(packaged, "INSTALLED", folder / "installed")
    return folder / "installed"


def write_registry(project: Path, kind: str, key: str, address: str, content: bytes = CONTENT, **record: Any) -> None:
    archive = {
        "file": "file.safetensors",
        "addresses": [address],
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    entry = {"title": "T", "architecture": NAME, "archive": archive, **record}
    (project / "config").mkdir(parents=True)
    (project / "config/weights.yaml").write_text(yaml.safe_dump({kind: {key: entry}}))


def hub(monkeypatch: pytest.MonkeyPatch, fetch: Any) -> None:
    monkeypatch.setattr(open_clip, "download_pretrained", fetch)


def test_a_path_is_a_path() -> None:
    Path("ViT-B-32").touch()
    assert find_model("ViT-B-32", "RN50") == ModelSource(Path("ViT-B-32"), "RN50")


@pytest.mark.parametrize(("kind", "key", "tag"), [("backbones", f"{NAME}/{TAG}", TAG), ("checkpoints", "mine", None)])
def test_a_record_of_the_project_is_fetched_to_its_downloads(
    server: Server, installed: Path, kind: str, key: str, tag: str | None
) -> None:
    write_registry(Path(), kind, key, server.at("/weights", Response(CONTENT)), tag=tag)
    write_registry(installed, kind, key, "another", b"of the package", tag=tag)
    expected = ModelSource(Path("downloads/file.safetensors"), NAME, tag)
    assert [find_model(key), find_model(key)] == [expected, expected]
    assert expected.path.read_bytes() == CONTENT
    assert server.requests == ["/weights"]


@pytest.mark.parametrize(("kind", "key", "tag"), [("backbones", f"{NAME}/{TAG}", TAG), ("checkpoints", "mine", None)])
def test_outside_a_project_a_record_of_the_package_is_fetched_to_the_users_cache(
    server: Server, installed: Path, folder: Path, kind: str, key: str, tag: str | None
) -> None:
    write_registry(installed, kind, key, server.at("/weights", Response(CONTENT)), tag=tag)
    expected = ModelSource(folder / "cache/clipn/file.safetensors", NAME, tag)
    assert [find_model(key), find_model(key)] == [expected, expected]
    assert expected.path.read_bytes() == CONTENT
    assert server.requests == ["/weights"]
    assert list(Path().iterdir()) == []


def test_a_fetch_that_broke_off_outside_a_project_goes_on_in_any_folder(
    server: Server, installed: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.at("/weights", Response(CONTENT, cut=3), Response(status=403))
    monkeypatch.setattr("time.sleep", lambda _: None)
    write_registry(installed, "checkpoints", "mine", address)
    with pytest.raises(ClipnError, match=rf"run again to go on, put it at {folder}/cache/clipn/file\.safetensors or"):
        find_model("mine")
    server.at("/weights", Response(CONTENT))
    monkeypatch.chdir(folder)
    assert find_model("mine").path.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=3-"


@pytest.mark.parametrize("where", ["a project", "no project"])
def test_a_file_that_is_not_the_recorded_one(server: Server, installed: Path, folder: Path, where: str) -> None:
    project = Path() if where == "a project" else installed
    write_registry(project, "checkpoints", "mine", server.at("/weights", Response(b"strange")))
    with pytest.raises(ClipnError, match=r"^file\.safetensors: http://.*: sha256 is "):
        find_model("mine")
    assert list(folder.rglob("file.safetensors")) == []


def test_a_project_does_not_know_what_only_the_package_records(installed: Path) -> None:
    write_registry(installed, "checkpoints", "of_the_package", "file")
    write_registry(Path(), "checkpoints", "mine", "file")
    with pytest.raises(ClipnError, match=r"^model of_the_package: .*; name one, e\.g\. mine$"):
        find_model("of_the_package")


def test_outside_a_project_a_file_that_no_program_may_fetch_is_looked_for_in_the_cache(folder: Path) -> None:
    """By the checkout's own registry."""
    by_hand = folder / "cache/clipn/CLIPN_ATD_Repeat1_epoch_10.pt"
    with pytest.raises(ClipnError, match=rf"may not be fetched by a program; put it at {by_hand}: open https://drive"):
        find_model("clipn_vit_b_16_run1")
    by_hand.write_bytes(CONTENT)
    assert find_model("clipn_vit_b_16_run1") == ModelSource(by_hand, "ViT-B-16")


@pytest.mark.parametrize("unset", [None, ""])
def test_without_a_variable_the_cache_is_in_the_home_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, unset: str | None
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    if unset is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
    assert packaged.cache_folder() == folder / ".cache/clipn"


def test_a_tag_that_no_record_has_comes_from_open_clips_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    hub(monkeypatch, lambda config, prefer_hf_hub: asked.append((config, prefer_hf_hub)) or "cache/weights.bin")
    assert find_model("ViT-B-32/laion400m_e32") == ModelSource(Path("cache/weights.bin"), NAME, "laion400m_e32")
    assert asked == [(open_clip.get_pretrained_cfg(NAME, "laion400m_e32"), True)]


def test_a_hub_that_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> str:
        raise OSError("no route")

    hub(monkeypatch, refused)
    message = r"^model ViT-B-32/laion400m_e32: could not be fetched \(OSError: no route\); check the network, or name a"
    with pytest.raises(ClipnError, match=message):
        find_model("ViT-B-32/laion400m_e32")


@pytest.mark.parametrize("name", [NAME, f"{NAME}/laion", "ViT-B-33/openai", "gone.pt", "clipn"])
def test_what_is_none_of_these(installed: Path, name: str) -> None:
    write_registry(installed, "checkpoints", "released", "file")
    with pytest.raises(ClipnError, match=rf"^model {name}: no file, no folder, .*; name one, e\.g\. released$"):
        find_model(name)


def test_a_backbone_is_opened_by_its_name(installed: Path, folder: Path) -> None:
    save_backbone(folder / "plain.safetensors", MODEL.clip, ARCHITECTURE, "tiny")
    content = (folder / "plain.safetensors").read_bytes()
    write_registry(
        installed, "backbones", "tiny/mine", "../../plain.safetensors", content, architecture="tiny", tag="mine"
    )
    model = clipn.open_model("tiny/mine")
    assert torch.equal(said(model), said(MODEL)[:2])
    assert model.source == ModelSource(folder / "cache/clipn/file.safetensors", "tiny", "mine")
    with pytest.raises(ClipnError, match=r'^tiny/mine: is plain CLIP, without a "no" tower; open it by'):
        clipn.load("tiny/mine")


def test_a_checkpoint_is_loaded_by_its_name(installed: Path, folder: Path) -> None:
    save_checkpoint(folder / "taught.safetensors", MODEL.state_dict(), ARCHITECTURE, {})
    content = (folder / "taught.safetensors").read_bytes()
    write_registry(installed, "checkpoints", "mine", "../../taught.safetensors", content)
    for model in (clipn.load("mine"), clipn.open_model("mine")):
        assert isinstance(model, CLIPN)
        assert torch.equal(said(model), said(MODEL))
