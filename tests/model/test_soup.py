"""Soups: weights against plain averages, and which checkpoints have none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import load_checkpoint, save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.soup import average_checkpoints
from clipn.model.tensors import read_metadata, read_tensors
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip

HEADER = {"run": "tiny/learnable", "settings": "{}", "backbone_sha256": "ab" * 32}


def taught(seed: int, prompts: int = 4) -> CLIPN:
    """A model on the backbone of all of them, with a "no" tower of its own."""
    model, draw = taught_model(prompts=prompts), torch.Generator().manual_seed(seed)
    for tensor in model.no.state_dict().values():
        tensor.add_(torch.randn(tensor.shape, generator=draw))
    return model


def write(folder: Path, seed: int, model: CLIPN | None = None) -> Path:
    path = folder / f"seed{seed}.safetensors"
    save_checkpoint(path, (model or taught(seed)).state_dict(), ARCHITECTURE, HEADER | {"seed": str(seed)})
    return path


def averaged(folder: Path, *paths: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    average_checkpoints(paths, "tiny/soup", folder / "soup.safetensors")
    return read_tensors(folder / "soup.safetensors"), read_metadata(folder / "soup.safetensors")


@pytest.mark.parametrize("count", [2, 3])
def test_weights_are_the_plain_average(tmp_path: Path, count: int) -> None:
    paths = [write(tmp_path, seed) for seed in range(1, count + 1)]
    found, _ = averaged(tmp_path, *paths)
    members = [read_tensors(path) for path in paths]
    assert found.keys() == members[0].keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        expected = sum(member[name].double() for member in members) / count
        assert torch.equal(tensor, expected.float()), name
    assert not torch.equal(found["no.prompts"], members[0]["no.prompts"])


def test_a_soup_of_one_is_that_one_bit_by_bit(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    found, _ = averaged(tmp_path, path)
    assert all(torch.equal(tensor, found[name]) for name, tensor in read_tensors(path).items())


def test_frozen_weights_stay_to_the_last_bit(tmp_path: Path) -> None:
    found, _ = averaged(tmp_path, *(write(tmp_path, seed) for seed in (1, 2, 3)))
    assert all(torch.equal(tensor, found[f"clip.{name}"]) for name, tensor in tiny_clip().state_dict().items())


def test_the_header_tells_the_members_and_what_they_have_in_common(tmp_path: Path) -> None:
    paths = [write(tmp_path, seed) for seed in (1, 2)]
    _, header = averaged(tmp_path, *paths)
    assert json.loads(header.pop("soup_of_sha256")) == [*map(file_hash, paths)]
    assert json.loads(header.pop("architecture")) == ARCHITECTURE
    assert header == HEADER | {"run": "tiny/soup", "format": "clipn-checkpoint-1"}


def test_it_is_read_as_any_checkpoint(tmp_path: Path) -> None:
    averaged(tmp_path, write(tmp_path, 1), write(tmp_path, 2))
    model = load_checkpoint(tmp_path / "soup.safetensors")
    said = model.encode_no_text(model.tokenizer(["a dog", "no dog"]))
    assert torch.allclose(said.norm(dim=-1), torch.ones(2))
    assert model.learns_prompts


def test_a_learned_temperature_is_averaged(tmp_path: Path) -> None:
    models = taught(1), taught(2)
    for model, scale in zip(models, (2.0, 4.0), strict=True):
        model.clip.logit_scale.fill_(scale)
    found, _ = averaged(tmp_path, *(write(tmp_path, seed, model) for seed, model in enumerate(models)))
    assert found["clip.logit_scale"] == 3


def test_the_state_of_a_training_under_way_is_left_out(tmp_path: Path) -> None:
    state = {**taught(1).state_dict(), "training.moments": torch.ones(3)}
    save_checkpoint(tmp_path / "last.safetensors", state, ARCHITECTURE, HEADER)
    found, _ = averaged(tmp_path, tmp_path / "last.safetensors", write(tmp_path, 2))
    assert "training.moments" not in found


def on_another_backbone(folder: Path) -> Path:
    return write(folder, 9, CLIPN(tiny_clip(seed=7), taught(9).preprocess, 4).eval())


def of_another_variant(folder: Path) -> Path:
    return write(folder, 9, taught(9, prompts=0))


def with_another_bank(folder: Path) -> Path:
    return write(folder, 9, taught(9, prompts=3))


def the_same_again(folder: Path) -> Path:
    return write(folder, 1)


def a_backbone(folder: Path) -> Path:
    save_backbone(folder / "seed9.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    return folder / "seed9.safetensors"


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (on_another_backbone, r"seed9.*: clip\.\S+ is not that of .*seed1.*; average runs on the same weights of a"),
        (of_another_variant, r"seed9.*: no\.prompts has not the shape that it has in .*seed1.*; average runs of one"),
        (with_another_bank, r"seed9.*: no\.prompts has not the shape that it has in .*seed1.*; average runs of one"),
        (the_same_again, r"seed1.*: is .*seed1.* again; name each run once"),
        (a_backbone, r"seed9.*: holds 'clipn-backbone-1', expected 'clipn-checkpoint-1'"),
    ],
)
def test_what_has_no_average(tmp_path: Path, other: Callable[[Path], Path], complaint: str) -> None:
    with pytest.raises(ClipnError, match=complaint):
        averaged(tmp_path, write(tmp_path, 1), other(tmp_path))
    assert not (tmp_path / "soup.safetensors").exists()
