"""Checkpoints and backbones: what is written is what is read, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

import clipn
from clipn.errors import ClipnError
from clipn.model.backbone import FORMAT, load_backbone, save_backbone
from clipn.model.checkpoint import FORMAT as CHECKPOINT
from clipn.model.checkpoint import load_checkpoint, save_checkpoint
from clipn.model.tensors import read_safetensors, write_safetensors
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip, tiny_model

METADATA = {"run": "tiny/learnable/1", "seed": "1", "settings": '{"epochs": 2}'}
PROMPTS = 3


def write_checkpoint(path: Path) -> Path:
    model = tiny_model(prompts=PROMPTS)
    nn.init.normal_(model.no.prompts, generator=torch.Generator().manual_seed(1))
    save_checkpoint(path, model.state_dict(), ARCHITECTURE, METADATA)
    return path


def write_backbone(path: Path) -> Path:
    save_backbone(path, tiny_clip(), ARCHITECTURE, "tiny")
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model.safetensors")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "backbone.safetensors")


def complaint_of(read: Callable[[Path], object], path: Path) -> str:
    """The one line that reading a bad file gives."""
    with pytest.raises(ClipnError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


READERS = [load_checkpoint, load_backbone]


def test_checkpoint_round_trip(checkpoint: Path) -> None:
    model = clipn.load(str(checkpoint))
    original = tiny_model(prompts=PROMPTS)
    nn.init.normal_(original.no.prompts, generator=torch.Generator().manual_seed(1))
    original.requires_grad_(False)
    tokens = model.tokenizer(["a photo of a dog", "no dog"])
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.encode_image(images), original.encode_image(images))
    assert torch.equal(model.encode_text(tokens), original.encode_text(tokens))
    assert torch.equal(model.encode_no_text(tokens), original.encode_no_text(tokens))
    assert (model.encode_no_text(tokens) - model.encode_text(tokens)).abs().max() > 0.01
    assert model.logit_scale == original.logit_scale


def test_loaded_models_are_for_evaluation(checkpoint: Path) -> None:
    model = clipn.load(checkpoint)
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_an_untrained_checkpoint_says_no_as_it_says_yes(tmp_path: Path) -> None:
    """Exactly, so that the control's scores are all one half and not the noise of rounding."""
    save_checkpoint(tmp_path / "copy.safetensors", tiny_model().state_dict(), ARCHITECTURE, {})
    model = clipn.load(tmp_path / "copy.safetensors")
    tokens = model.tokenizer(["a photo of a dog", "x"])
    assert torch.equal(model.encode_no_text(tokens), model.encode_text(tokens))


def test_checkpoint_metadata(checkpoint: Path) -> None:
    tensors, metadata = read_safetensors(checkpoint, CHECKPOINT)
    assert METADATA.items() < metadata.items()
    assert json.loads(metadata["architecture"]) == ARCHITECTURE
    assert len(tensors["no.prompts"]) == PROMPTS


def test_backbone_round_trip(backbone: Path) -> None:
    model, config = load_backbone(backbone)
    original = tiny_clip()
    assert config == ARCHITECTURE
    assert not model.training
    assert model.state_dict().keys() == original.state_dict().keys()
    assert all(torch.equal(tensor, original.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert read_safetensors(backbone, FORMAT)[1]["name"] == "tiny"


@pytest.mark.parametrize(("write", "first"), [(write_checkpoint, "checkpoint"), (write_backbone, "backbone")])
def test_same_content_gives_the_same_bytes(
    request: pytest.FixtureRequest, tmp_path: Path, write: Callable[[Path], Path], first: str
) -> None:
    assert write(tmp_path / "again.safetensors").read_bytes() == request.getfixturevalue(first).read_bytes()


# Refusals


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("share", [0, 1e-6, 0.5, 0.999999])
def test_truncated_files_are_refused(
    checkpoint: Path, tmp_path: Path, read: Callable[[Path], object], share: float
) -> None:
    path = tmp_path / "cut.safetensors"
    content = checkpoint.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "not a whole safetensors file" in complaint_of(read, path)


@pytest.mark.parametrize("read", READERS)
def test_pickles_are_refused(tmp_path: Path, read: Callable[[Path], object]) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "epoch_10.pt")
    assert "not a whole safetensors file" in complaint_of(read, tmp_path / "epoch_10.pt")


@pytest.mark.parametrize("read", READERS)
def test_missing_files(tmp_path: Path, read: Callable[[Path], object]) -> None:
    assert "no such file" in complaint_of(read, tmp_path / "absent.safetensors")


def test_a_backbone_is_no_checkpoint_and_the_reverse(backbone: Path, checkpoint: Path) -> None:
    assert "holds 'clipn-backbone-1', expected 'clipn-checkpoint-1'" in complaint_of(load_checkpoint, backbone)
    assert "holds 'clipn-checkpoint-1', expected 'clipn-backbone-1'" in complaint_of(load_backbone, checkpoint)


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(1)}, path, {"format": "pt"})
    assert "expected 'clipn-checkpoint-1'" in complaint_of(load_checkpoint, path)


def test_a_checkpoint_without_a_bank_of_prompts(tmp_path: Path) -> None:
    original = tiny_model(prompts=0)
    save_checkpoint(tmp_path / "handcrafted.safetensors", original.state_dict(), ARCHITECTURE, {})
    model = clipn.load(tmp_path / "handcrafted.safetensors")
    tokens = model.tokenizer(["a photo of no dog"])
    assert model.no.prompts is None
    assert torch.equal(model.encode_no_text(tokens), original.requires_grad_(False).encode_no_text(tokens))


@pytest.mark.parametrize("tokens", [1, 5, 77])
def test_a_checkpoint_whose_bank_has_fewer_positions(tmp_path: Path, tokens: int) -> None:
    original = taught_model(prompts=PROMPTS, tokens=tokens)
    save_checkpoint(tmp_path / "few.safetensors", original.state_dict(), ARCHITECTURE, {})
    model = clipn.load(tmp_path / "few.safetensors")
    texts = model.tokenizer(["dog", "a photo of a dog that is not there at all"])
    assert model.no.prompts is not None
    assert model.no.prompts.shape == (PROMPTS, tokens, 32)
    assert torch.equal(model.encode_no_text(texts), original.encode_no_text(texts))


def test_what_a_training_under_way_keeps_is_left_out(tmp_path: Path) -> None:
    tensors = {**tiny_model(prompts=PROMPTS).state_dict(), "training.optimizer.0": torch.ones(3)}
    save_checkpoint(tmp_path / "last.safetensors", tensors, ARCHITECTURE, {})
    assert clipn.load(tmp_path / "last.safetensors").state_dict().keys() == tensors.keys() - {"training.optimizer.0"}


def test_tensors_that_do_not_fit_the_header_are_refused(tmp_path: Path) -> None:
    wider = {**ARCHITECTURE, "text_cfg": {**ARCHITECTURE["text_cfg"], "width": 48}}
    save_checkpoint(tmp_path / "c.safetensors", tiny_model(prompts=PROMPTS).state_dict(), wider, {})
    save_backbone(tmp_path / "b.safetensors", tiny_clip(), wider, "wider")
    for read, name, tensor in (
        (clipn.load, "c.safetensors", "clip.positional_embedding"),
        (load_backbone, "b.safetensors", "positional_embedding"),
    ):
        complaint = complaint_of(read, tmp_path / name)
        assert f"{tensor} has shape (77, 32), expected (77, 48); it does not fit its own header" in complaint


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((), "has unknown no.prompts; "),
        ((3,), "has unknown no.prompts; "),
        ((3, 32), "has unknown no.prompts; "),
        ((3, 5, 48), "no.prompts has shape (3, 5, 48), expected (3, 5, 32); "),
        ((3, 78, 32), "no.prompts has shape (3, 78, 32), expected (3, 77, 32); "),
    ],
)
def test_a_bank_of_an_odd_shape_is_refused(tmp_path: Path, shape: tuple[int, ...], complaint: str) -> None:
    tensors = {**tiny_model(prompts=0).state_dict(), "no.prompts": torch.zeros(shape)}
    save_checkpoint(tmp_path / "odd.safetensors", tensors, ARCHITECTURE, {})
    assert complaint in complaint_of(load_checkpoint, tmp_path / "odd.safetensors")


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(
        ClipnError, match=r"x\.safetensors: could not be written \(.*No space left.*\); free some space"
    ):
        write_safetensors(tmp_path / "x.safetensors", {}, {})
    assert list(tmp_path.iterdir()) == []
