"""Models from whatever file people have: each says what the model says that the file was written from."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import clipn
from clipn.errors import ClipnError
from clipn.model import opening
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import save_checkpoint
from clipn.model.clipn import CLIP, CLIPN
from clipn.model.released import released_name
from clipn.model.source import HUB_WEIGHTS, ModelSource
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip
from tests.model.test_weights import write_architecture

TEXTS = ["a photo of a dog", "no dog"]
MODEL = taught_model()
CLIP_TENSORS = {name.removeprefix("clip."): tensor for name, tensor in MODEL.state_dict().items() if "clip." in name}
RELEASED = {f"module.{released_name(name)}": tensor for name, tensor in MODEL.state_dict().items()}


def said(model: CLIP) -> Tensor:
    tokens, images = model.tokenizer(TEXTS), torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    parts = [model.encode_image(images), model.encode_text(tokens)]
    return torch.stack([*parts, model.encode_no_text(tokens)] if isinstance(model, CLIPN) else parts)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Shapes tell the tiny architecture, too."""
    path = write_architecture(tmp_path)
    monkeypatch.setattr(opening, "architecture_name", lambda tensors, file: str(path))


def write_hub(folder: Path, weights: str) -> None:
    folder.mkdir()
    settings = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "interpolation": "bilinear", "size": [3, 32, 32]}
    described = {"model_cfg": ARCHITECTURE, "preprocess_cfg": settings}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    if weights.endswith(".bin"):
        torch.save(CLIP_TENSORS, folder / weights)
    else:
        save_file(CLIP_TENSORS, folder / weights)


def write(path: Path) -> None:
    """A file whose name says what is in it."""
    if path.name == "checkpoint.safetensors":
        save_checkpoint(path, MODEL.state_dict(), ARCHITECTURE, {})
    elif path.name == "backbone.safetensors":
        save_backbone(path, MODEL.clip, ARCHITECTURE, "tiny")
    elif path.name == "plain.safetensors":
        save_file(CLIP_TENSORS, path)
    elif path.name == "released.safetensors":
        save_file({name.removeprefix("module."): tensor.clone() for name, tensor in RELEASED.items()}, path)
    else:
        torch.save({"state_dict": RELEASED if "released" in path.name else CLIP_TENSORS, "epoch": 10}, path)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", ["checkpoint.safetensors", "released.pt", "released.safetensors"])
def test_files_with_a_no_tower(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    for model in (clipn.load(tmp_path / name), clipn.open_model(str(tmp_path / name))):
        assert isinstance(model, CLIPN)
        assert torch.equal(said(model), said(MODEL))
        assert model.source == ModelSource(tmp_path / name)
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", ["backbone.safetensors", "plain.safetensors", "plain.pt"])
def test_files_of_plain_clip(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    model = clipn.open_model(tmp_path / name)
    assert not isinstance(model, CLIPN)
    assert torch.equal(said(model), said(MODEL)[:2])
    with pytest.raises(ClipnError, match=r'is plain CLIP, without a "no" tower; open it by `clipn\.open_model\('):
        clipn.load(tmp_path / name)


@pytest.mark.parametrize("weights", HUB_WEIGHTS)
def test_a_folder_of_the_hub(tmp_path: Path, weights: str) -> None:
    write_hub(tmp_path / "model", weights)
    model: Any = clipn.open_model(tmp_path / "model")
    assert torch.equal(said(model), said(MODEL)[:2])
    assert tuple(model.preprocess.transforms[-1].mean) == (0.1, 0.2, 0.3)
    assert model.source.weights == tmp_path / "model" / weights


def test_a_folder_without_weights(tmp_path: Path) -> None:
    write_hub(tmp_path / "model", HUB_WEIGHTS[0])
    (tmp_path / "model" / HUB_WEIGHTS[0]).unlink()
    with pytest.raises(ClipnError, match=r"model: holds no open_clip_model\.safetensors; name a weight file, or"):
        clipn.open_model(tmp_path / "model")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(ClipnError, match=r"open_clip_config\.json: has no `model_cfg`; fetch it"):
        clipn.open_model(tmp_path)


def test_an_architecture_that_is_named(tmp_path: Path) -> None:
    write(tmp_path / "plain.pt")
    source = ModelSource(tmp_path / "plain.pt", str(write_architecture(tmp_path)))
    assert torch.equal(said(clipn.open_model(source)), said(MODEL)[:2])


def test_an_architecture_that_nobody_knows(tmp_path: Path) -> None:
    write(tmp_path / "plain.pt")
    with pytest.raises(ClipnError, match=r"plain\.pt: its shapes are of no architecture that open_clip knows"):
        clipn.open_model(tmp_path / "plain.pt")


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    write(tmp_path / "plain.pt")
    source = ModelSource(tmp_path / "plain.pt", "ViT-B-32")
    with torch.device("meta"), pytest.raises(ClipnError, match=r"plain\.pt: .*; it is not of this architecture; name"):
        clipn.open_model(source)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"a\.safetensors: no such file"):
        clipn.open_model(tmp_path / "a.safetensors")


def test_towers_are_not_copied_for_a_no_that_is_not_there() -> None:
    assert len(CLIP(tiny_clip(), MODEL.preprocess).state_dict()) == len(CLIP_TENSORS)
