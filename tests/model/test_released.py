"""The authors' published form of checkpoints."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import load_checkpoint, save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.released import convert_checkpoint, import_checkpoint, released_name
from clipn.model.tensors import read_metadata
from tests.helpers.golden_model import golden_figures, golden_model
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip, tiny_model
from tests.model.test_weights import WIDER, Malicious, write_architecture

TEXTS = ["a photo of a dog", "no dog"]


def trained(prompts: int = 4) -> CLIPN:
    """A model whose "no" tower differs from "yes" in every tensor."""
    model = tiny_model(prompts=prompts)
    torch.manual_seed(1)
    for parameter in model.no.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.requires_grad_(False)


def published(model: CLIPN, prefix: str = "module.", half: bool = False) -> dict[str, Any]:
    tensors = {f"{prefix}{released_name(name)}": tensor for name, tensor in model.state_dict().items()}
    halved = {name: tensor.half() for name, tensor in tensors.items()}
    return {"epoch": 10, "name": "run", "state_dict": halved if half else tensors}


def write(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "epoch_10.pt")
    return folder / "epoch_10.pt"


def said(model: CLIPN) -> Tensor:
    tokens = model.tokenizer(TEXTS)
    return torch.stack([model.encode_text(tokens), model.encode_no_text(tokens)])


def complaint_of(path: Path, config: dict[str, Any] = ARCHITECTURE) -> str:
    """The one line that importing a bad file gives."""
    with pytest.raises(ClipnError) as caught:
        import_checkpoint(path, write_architecture(path.parent, config))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("prompts", [4, 0])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_import_and_back(tmp_path: Path, prefix: str, prompts: int) -> None:
    original = trained(prompts)
    path = write(tmp_path, published(original, prefix))
    model, architecture, metadata = import_checkpoint(path, write_architecture(tmp_path))
    assert architecture == ARCHITECTURE
    assert metadata == {"backbone": "architecture", "epoch": "10", "source_sha256": file_hash(path)}
    save_checkpoint(tmp_path / "run.safetensors", model.state_dict(), architecture, metadata)
    assert torch.equal(said(load_checkpoint(tmp_path / "run.safetensors")), said(original))
    assert model.logit_scale == original.logit_scale
    assert (model.no.prompts is None) == (prompts == 0)


def test_half_precision(tmp_path: Path) -> None:
    path = write(tmp_path, published(trained(), half=True))
    model = import_checkpoint(path, write_architecture(tmp_path)).model
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
    assert (said(model) - said(trained())).abs().max() < 5e-3


def test_the_authors_own_checkpoint(golden: Path) -> None:
    model = golden_model(golden)
    released = torch.load(golden / "epoch_10.pt", weights_only=True)["state_dict"]
    assert len(released) == len(model.state_dict())
    assert all(torch.equal(tensor, released[f"module.{released_name(n)}"]) for n, tensor in model.state_dict().items())
    assert golden_figures(golden)[0]["architecture"]["embed_dim"] == model.no.text_projection.shape[1]


def test_names_of_the_released_tensors() -> None:
    assert released_name("clip.visual.proj") == "visual.proj"
    assert released_name("no.prompts") == "prompt_no"
    assert released_name("no.text_projection") == "text_projection_no"
    assert released_name("no.transformer.resblocks.0.ln_1.bias") == "transformer_no.resblocks.0.ln_1.bias"


# A backbone file


def test_a_backbone_file_gives_architecture_and_must_agree(tmp_path: Path) -> None:
    quick = {**ARCHITECTURE, "quick_gelu": True}
    save_backbone(tmp_path / "b.safetensors", tiny_clip(), quick, "b")
    path = write(tmp_path, published(trained(), half=True))
    released = import_checkpoint(path, str(tmp_path / "b.safetensors"))
    assert json.loads(json.dumps(released.architecture)) == quick
    assert released.metadata["backbone"] == "b"


def test_towers_of_another_backbone_are_refused(tmp_path: Path) -> None:
    save_backbone(tmp_path / "b.safetensors", tiny_clip(seed=9), ARCHITECTURE, "b")
    path = write(tmp_path, published(trained()))
    with pytest.raises(ClipnError, match=r"differs from that of .*b\.safetensors; name the backbone it was trained on"):
        import_checkpoint(path, str(tmp_path / "b.safetensors"))


# A checkpoint that was trained here


@pytest.mark.parametrize(("prompts", "tokens"), [(4, None), (4, 2), (0, None)])
def test_a_checkpoint_of_this_project_is_taken_as_it_is(tmp_path: Path, prompts: int, tokens: int | None) -> None:
    save_backbone(tmp_path / "b.safetensors", tiny_clip(), ARCHITECTURE, "b")
    original = taught_model(prompts=prompts, tokens=tokens)
    unfinished = {"training.step": torch.zeros(1)}
    path = tmp_path / "mine.safetensors"
    save_checkpoint(path, original.state_dict() | unfinished, ARCHITECTURE, {"backbone": "tiny", "seed": "1"})
    convert_checkpoint(path, str(tmp_path / "b.safetensors"), tmp_path / "run.safetensors")
    imported = load_checkpoint(tmp_path / "run.safetensors").state_dict()
    assert imported.keys() == original.state_dict().keys()
    assert all(torch.equal(tensor, imported[name]) for name, tensor in original.state_dict().items())
    header = read_metadata(tmp_path / "run.safetensors")
    assert (header["format"], header["backbone"], header["seed"]) == ("clipn-checkpoint-1", "b", "1")
    assert header["source_sha256"] == file_hash(path)


def test_a_checkpoint_of_this_project_is_on_the_backbone_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_checkpoint(path, taught_model().state_dict(), ARCHITECTURE, {})
    save_backbone(tmp_path / "other.safetensors", tiny_clip(seed=9), ARCHITECTURE, "other")
    with pytest.raises(
        ClipnError, match=r"differs from that of .*other\.safetensors; name the backbone it was trained"
    ):
        import_checkpoint(path, str(tmp_path / "other.safetensors"))
    with pytest.raises(ClipnError, match=r"^.*mine\.safetensors: .* it was not trained on .*; name its backbone$"):
        import_checkpoint(path, write_architecture(tmp_path, WIDER))


def test_a_backbone_of_this_project_is_no_checkpoint(tmp_path: Path) -> None:
    save_backbone(tmp_path / "b.safetensors", tiny_clip(), ARCHITECTURE, "b")
    assert complaint_of(tmp_path / "b.safetensors").startswith('has no "no" tower; ')


# Refusals


def test_a_plain_clip_file(tmp_path: Path) -> None:
    path = write(tmp_path, tiny_clip().state_dict())
    assert complaint_of(path) == 'has no "no" tower; if it is a plain CLIP file, use `clipn backbone import`'


def test_a_prefix_before_all_names(tmp_path: Path) -> None:
    path = write(tmp_path, {f"clip.{name}": tensor for name, tensor in published(trained())["state_dict"].items()})
    expected = "clip.module.positional_embedding_no is positional_embedding_no behind a prefix; save all weights"
    assert complaint_of(path) == f"{expected} under their own names"


def test_other_shapes_name_the_first_tensor_and_both_shapes(tmp_path: Path) -> None:
    path = write(tmp_path, published(trained()))
    assert complaint_of(path, WIDER).startswith(
        "visual.class_embedding has shape (32,), expected (48,); it was not trained on "
    )


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((4, 77, 48), "prompt_no has shape (4, 77, 48), expected (4, 77, 32); "),
        ((4, 50, 32), "prompt_no has shape (4, 50, 32), expected (4, 77, 32); "),
        ((), "has unknown prompt_no; "),
    ],
)
def test_a_bank_of_another_shape(tmp_path: Path, shape: tuple[int, ...], complaint: str) -> None:
    content = published(trained(), prefix="")
    content["state_dict"]["prompt_no"] = torch.zeros(shape)
    assert complaint_of(write(tmp_path, content)).startswith(complaint)


def test_a_tower_that_lacks_a_tensor(tmp_path: Path) -> None:
    content = published(trained(), prefix="")
    del content["state_dict"]["ln_final_no.weight"]
    assert complaint_of(write(tmp_path, content)).startswith("lacks ln_final_no.weight; ")


@pytest.mark.parametrize("share", [0, 0.3, 0.9999])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = write(tmp_path, published(trained()))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert complaint_of(path).startswith("not a whole weight file (")


@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_a_file_is_not_run(tmp_path: Path, wrapped: bool) -> None:
    malicious = Malicious(tmp_path / "ran")
    path = write(tmp_path, {**published(trained()), "name": malicious})
    if not wrapped:
        path.write_bytes(pickle.dumps(malicious, protocol=2))
    assert "holds more than tensors (posix.mkdir)" in complaint_of(path)
    assert not (tmp_path / "ran").exists()


def test_no_checkpoint_and_no_file(tmp_path: Path) -> None:
    assert complaint_of(write(tmp_path, {"epoch": 10})).startswith("holds no weights by name, but epoch; ")
    assert complaint_of(tmp_path / "absent.pt").startswith("no such file; ")
