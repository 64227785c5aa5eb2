"""Checkpoints as the authors of CLIPN publish them."""

from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model.backbone import build, load_backbone, preprocess, pretrained_architecture
from clipn.model.clipn import CLIPN
from clipn.model.weights import fit, read_weights

BANK = "prompt_no"
HALF = 1e-3
"""Relative error that rounding to float16 stays below."""


class Released(NamedTuple):
    """A published model in evaluation mode, the architecture of its towers, and where it came from."""

    model: CLIPN
    architecture: dict[str, Any]
    metadata: dict[str, str]


def released_name(name: str) -> str:
    """What the authors call a tensor of `CLIPN`: the "no" tower carries `_no` on the first part of the name."""
    tower, _, rest = name.partition(".")
    if tower == "clip":
        return rest
    if rest == "prompts":
        return BANK
    head, dot, tail = rest.partition(".")
    return f"{head}_no{dot}{tail}"


def import_checkpoint(path: Path, backbone: str, tag: str | None = None) -> Released:
    """Read a checkpoint of the authors' code; without learnable prompts it is one for hand-crafted texts.

    Args:
        path: `{"epoch", "name", "state_dict"}` as .pt, or the tensors as .safetensors.
        backbone: open_clip name, JSON file, or a backbone file, whose towers the checkpoint must then share, since
            image features are cached from it.
        tag: open_clip tag of the backbone's weights, see `pretrained_architecture`; a backbone file knows its own.

    Raises:
        ClipnError: missing, damaged, foreign or unfitting file.
    """
    tensors, notes = read_weights(path)
    if "positional_embedding_no" not in tensors:
        raise ClipnError(f'{path}: has no "no" tower; if it is a plain CLIP file, use `clipn backbone import`')
    frozen, architecture = _backbone(backbone, tag)
    model = CLIPN(build(architecture), preprocess(architecture), prompts=_size(tensors.get(BANK)))
    fit(model, tensors, path, f"it was not trained on {backbone}; name its backbone", released_name)
    if frozen is not None:
        _require_same_towers(model.clip, frozen, path, backbone)
    metadata = {
        "backbone": Path(backbone).stem if _is_file(backbone) else backbone,
        "epoch": str(notes.get("epoch", "")),
        "source_sha256": file_hash(path),
    }
    return Released(model.eval(), architecture, metadata)


def _size(bank: Tensor | None) -> int:
    return bank.shape[0] if bank is not None and bank.ndim else 0


def _is_file(backbone: str) -> bool:
    return backbone.endswith((".json", ".safetensors"))


def _backbone(backbone: str, tag: str | None) -> tuple[open_clip.CLIP | None, dict[str, Any]]:
    if backbone.endswith(".safetensors"):
        return load_backbone(Path(backbone))
    return None, pretrained_architecture(backbone, tag)


def _require_same_towers(clip: open_clip.CLIP, frozen: open_clip.CLIP, path: Path, backbone: str) -> None:
    theirs = frozen.state_dict()
    for name, tensor in clip.state_dict().items():
        if name != "logit_scale" and not torch.allclose(tensor, theirs[name], rtol=HALF, atol=HALF**2):
            raise ClipnError(f"{path}: {name} differs from that of {backbone}; name the backbone it was trained on")
