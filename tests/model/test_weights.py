"""Weight files of others: what fits is taken over exactly, everything else is one line, and nothing in it is run."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from clipn.errors import ClipnError
from clipn.model.backbone import (
    architecture,
    build,
    build_to_fill,
    import_backbone,
    preprocess,
    pretrained_architecture,
)
from clipn.model.weights import fit, read_weights
from tests.helpers.tiny_model import ARCHITECTURE, TEXT, tiny_clip

RESNET = {"embed_dim": 32, "text_cfg": TEXT, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}}
WIDER = {**ARCHITECTURE, "vision_cfg": {**ARCHITECTURE["vision_cfg"], "width": 48}}


class Malicious:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.witness),)


def write_architecture(folder: Path, config: dict[str, Any] = ARCHITECTURE) -> str:
    path = folder / "architecture.json"
    path.write_text(json.dumps(config))
    return str(path)


def state(seed: int = 5) -> dict[str, Tensor]:
    return tiny_clip(seed).state_dict()


def complaint_of(path: Path, config: dict[str, Any] = ARCHITECTURE) -> str:
    """The one line that importing a bad file gives."""
    with pytest.raises(ClipnError) as caught:
        import_backbone(path, write_architecture(path.parent, config))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def same(model: open_clip.CLIP, tensors: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())


# What is taken over


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".safetensors"])
def test_state_dicts_of_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state(), path)
    model, config = import_backbone(path, write_architecture(tmp_path))
    assert config == ARCHITECTURE
    assert not model.training
    assert same(model, state())


def test_a_checkpoint_of_distributed_half_precision_training(tmp_path: Path) -> None:
    half = {f"module.{name}": tensor.half() for name, tensor in state().items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": half, "optimizer": {"lr": 0.1}}, tmp_path / "epoch_3.pt")
    model, _ = import_backbone(tmp_path / "epoch_3.pt", write_architecture(tmp_path))
    assert same(model, {name: tensor.half().float() for name, tensor in state().items()})
    assert read_weights(tmp_path / "epoch_3.pt").notes == {"epoch": 3, "name": "run"}


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.module.", "model.", "module._orig_mod."])
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", None])
def test_forms_of_training_programs(tmp_path: Path, prefix: str, key: str | None) -> None:
    named = {f"{prefix}{name}": tensor for name, tensor in state().items()}
    mask = {f"{prefix}attn_mask": torch.full((2, 2), -torch.inf)}
    torch.save({key: named | mask, "epoch": 3} if key else named, tmp_path / "last.ckpt")
    assert same(import_backbone(tmp_path / "last.ckpt", write_architecture(tmp_path))[0], state())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    tensors = {name: tensor.clone() for name, tensor in state().items()}
    tensors["text_projection"][0, 0] = value
    torch.save(tensors, tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt").startswith("text_projection holds NaN or infinity; its training failed")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            b"\n<!DOCTYPE html><html>Virus scan warning</html>",
            "is a web page, not the file; download it again, as that p",
        ),
        (b"<html></html>", "is a web page, not the file; download it again, as that page says"),
    ],
)
def test_what_downloads_leave_in_place_of_a_file(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert complaint_of(tmp_path / name).startswith(complaint)


def test_files_under_the_other_kind_s_name(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "torch.safetensors")
    save_file(state(), tmp_path / "safe.pt")
    assert complaint_of(tmp_path / "torch.safetensors") == "is a file of torch, not of safetensors; rename it to .pt"
    assert complaint_of(tmp_path / "safe.pt") == "is a file of safetensors, not of torch; rename it to .safetensors"


@pytest.mark.parametrize(
    "changed",
    [
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: tensor.to("meta"),
    ],
    ids=["sparse", "complex", "meta"],
)
def test_tensors_of_no_plain_numbers(tmp_path: Path, changed: Callable[[Tensor], Tensor]) -> None:
    torch.save({**state(), "visual.proj": changed(state()["visual.proj"])}, tmp_path / "w.pt")
    expected = "visual.proj is quantised, sparse, complex or without values; give plain floats"
    assert complaint_of(tmp_path / "w.pt") == expected


def test_quantised_weights_and_parameters(tmp_path: Path) -> None:
    torch.save({**state(), "visual.proj": state()["visual.proj"].to(torch.int8)}, tmp_path / "w.pt")
    expected = "visual.proj is of torch.int8, not of floats; give weights that are not quantised"
    assert complaint_of(tmp_path / "w.pt") == expected
    torch.save({name: torch.nn.Parameter(tensor) for name, tensor in state().items()}, tmp_path / "p.pt")
    assert same(import_backbone(tmp_path / "p.pt", write_architecture(tmp_path))[0], state())


@pytest.mark.parametrize("scale", [100, -500])
def test_a_scale_in_place_of_its_logarithm(tmp_path: Path, scale: float) -> None:
    torch.save({**state(), "logit_scale": torch.tensor(float(scale))}, tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt") == f"logit_scale is {scale}, no logarithm; take that of the scale"


@pytest.mark.parametrize("prefix", ["student", "module"])
def test_names_of_which_some_have_a_prefix(tmp_path: Path, prefix: str) -> None:
    named = {f"{prefix}.{name}" if name == "visual.proj" else name: tensor for name, tensor in state().items()}
    torch.save(named, tmp_path / "w.pt")
    expected = f"{prefix}.visual.proj is visual.proj behind a prefix; save all weights under their own names"
    assert complaint_of(tmp_path / "w.pt") == expected


def test_another_key_than_those_of_training_programs(tmp_path: Path) -> None:
    torch.save({"ema": state(), "step": 3}, tmp_path / "w.pt")
    expected = "holds no weights by name, but ema, step; give a state dict, alone or under `state_dict`"
    assert complaint_of(tmp_path / "w.pt") == expected


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_pointer_of_git_lfs_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 605143316\n")
    assert complaint_of(tmp_path / name) == "is a Git LFS pointer, not the file; run `git lfs pull`, or download it"


def test_the_form_of_openais_files(tmp_path: Path) -> None:
    numbers = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(77), "vocab_size": 49408}
    torch.save({**state(), **numbers, "logit_scale": state()["logit_scale"][None]}, tmp_path / "old.pt")
    assert same(import_backbone(tmp_path / "old.pt", write_architecture(tmp_path))[0], state())


def test_a_residual_network_with_quick_gelu(tmp_path: Path) -> None:
    config = {**RESNET, "quick_gelu": True}
    original = build(config)
    torch.save(original.state_dict(), tmp_path / "rn.pt")
    model, stored = import_backbone(tmp_path / "rn.pt", write_architecture(tmp_path, config))
    images, tokens = torch.randn(2, 3, 32, 32), open_clip.SimpleTokenizer()(["a dog"])
    assert stored["quick_gelu"]
    assert torch.equal(model.encode_image(images), original.encode_image(images))
    assert torch.equal(model.encode_text(tokens), original.encode_text(tokens))
    plain = build(RESNET)
    plain.load_state_dict(original.state_dict())
    assert not torch.equal(plain.encode_text(tokens), original.encode_text(tokens))


@pytest.mark.parametrize("config", [ARCHITECTURE, RESNET], ids=["transformer", "residual network"])
def test_a_model_to_fill_draws_no_weights_and_is_the_built_one_when_it_is_filled(config: dict[str, Any]) -> None:
    models = []
    for make in (build, build_to_fill):
        torch.manual_seed(4711)
        models.append(make(config))
    built, filled = models
    assert not torch.equal(filled.token_embedding.weight, built.token_embedding.weight)
    fit(filled, built.state_dict(), Path("weights"), "")
    # With the mask, which no file holds.
    tensors, expected = ({**model.state_dict(), **dict(model.named_buffers())} for model in (filled, built))
    assert "attn_mask" in expected
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())


# Tags and preprocessing


@pytest.mark.parametrize(
    ("name", "tag", "quick_gelu", "mean"),
    [
        ("ViT-B-16", "laion2b_s34b_b88k", None, 0.48145466),
        ("ViT-L-14", "laion2b_s32b_b82k", None, 0.5),
        ("RN50", "openai", True, 0.48145466),
    ],
)
def test_a_tag_brings_activation_and_preprocessing(name: str, tag: str, quick_gelu: bool | None, mean: float) -> None:
    config = pretrained_architecture(name, tag)
    assert config.get("quick_gelu") is quick_gelu
    assert config["preprocess_cfg"]["mean"][0] == mean
    assert config["preprocess_cfg"]["interpolation"] == "bicubic"
    assert json.loads(json.dumps(config)) == config
    assert pretrained_architecture(name, None) == architecture(name)


def test_preprocessing_is_what_the_architecture_says() -> None:
    white = Image.new("RGB", (40, 60), "white")
    usual = preprocess(ARCHITECTURE)(white)
    halves = preprocess({**ARCHITECTURE, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}})(white)
    assert usual[:, 0, 0].tolist() == pytest.approx([1.9303, 2.0749, 2.1459], abs=1e-4)
    assert torch.equal(halves, torch.ones(3, 32, 32))


@pytest.mark.parametrize(
    ("name", "tag", "complaint"),
    [
        ("ViT-B-17", "openai", "architecture: open_clip has no 'ViT-B-17'"),
        (
            "ViT-B-16",
            "laion3b",
            "tag: open_clip has no 'laion3b' of ViT-B-16; choose one of openai, .*laion2b_s34b_b88k",
        ),
        ("absent.json", "openai", r"absent\.json: no such file"),
        (
            "roberta-ViT-B-32",
            None,
            "architecture: has a tower or tokenizer from a hub, which is not asked; choose",
        ),
    ],
)
def test_unknown_and_unfit_architectures(tmp_path: Path, name: str, tag: str | None, complaint: str) -> None:
    with pytest.raises(ClipnError, match=complaint):
        import_backbone(tmp_path / "absent.pt", name, tag)


def test_another_kind_of_text_tower(tmp_path: Path) -> None:
    name = write_architecture(tmp_path, {**ARCHITECTURE, "text_cfg": {**TEXT, "no_causal_mask": True}})
    with pytest.raises(ClipnError, match="architecture: needs CLIP's causal text transformer"):
        import_backbone(tmp_path / "w.pt", name)


# Refusals


def test_other_shapes_name_the_first_tensor_and_both_shapes(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt", WIDER).startswith(
        "visual.class_embedding has shape (32,), expected (48,); it is not of architecture "
    )


def test_missing_and_unknown_tensors(tmp_path: Path) -> None:
    tensors = state()
    del tensors["ln_final.weight"], tensors["text_projection"]
    torch.save(tensors, tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt").startswith("lacks ln_final.weight and 1 more; ")
    torch.save({**state(), "logit_bias": torch.zeros(1)}, tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt").startswith("has unknown logit_bias; ")


def test_a_clipn_checkpoint_is_no_backbone(tmp_path: Path) -> None:
    torch.save({**state(), "ln_final_no.weight": torch.ones(32)}, tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt").endswith("so it is a CLIPN checkpoint; use `clipn checkpoint import`")


@pytest.mark.parametrize("how", ["torch", "torch old", "pickle"])
def test_code_in_a_file_is_not_run(tmp_path: Path, how: str) -> None:
    path, malicious = tmp_path / "w.pt", Malicious(tmp_path / "ran")
    if how == "pickle":
        path.write_bytes(pickle.dumps(malicious, protocol=2))
    else:
        content = {"epoch": 1, "state_dict": {**state(), "x": malicious}}
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    assert "holds more than tensors (posix.mkdir), which may be a program, so none of it was run" in complaint_of(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_files(tmp_path: Path, share: float, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state(), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert complaint_of(path).startswith("not a whole ")


@pytest.mark.parametrize("content", [b"rubbish", b"a text\n" * 9, b"\x80\x02."])
def test_files_that_are_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    assert complaint_of(tmp_path / "w.pt").startswith("not a whole weight file (")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(1)], {"state_dict": {"x": 1}}, {0: torch.zeros(1)}])
def test_files_without_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    assert complaint_of(tmp_path / "w.pt").startswith("holds no weights by name")


def test_missing_and_oddly_named_files(tmp_path: Path) -> None:
    assert complaint_of(tmp_path / "absent.pt").startswith("no such file; ")
    (tmp_path / "w.tar").touch()
    assert complaint_of(tmp_path / "w.tar").startswith("is no weight file by its name; it must end in .safetensors, ")
