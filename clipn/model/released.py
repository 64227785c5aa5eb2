"""Checkpoints as the authors of CLIPN released them, and those that were trained here, brought onto a backbone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model.backbone import build_to_fill, load_backbone, preprocess, pretrained_architecture
from clipn.model.checkpoint import FORMAT, TRAINING, save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.tensors import read_metadata
from clipn.model.weights import fit, read_weights

BANK, OWN_BANK = "prompt_no", "no.prompts"
NO_TOWER = "positional_embedding_no"
"""What all files of the authors' code have."""
HALF = 1e-3
"""Relative error that rounding to float16 stays below."""


class Released(NamedTuple):
    """A released model in evaluation mode, the architecture of its towers, and where it came from."""

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
    """Read a checkpoint of the authors' code, or of this one; without learnable prompts it is for hand-crafted texts.

    Args:
        path: `{"epoch", "name", "state_dict"}` as .pt, or the tensors as .safetensors; or what `clipn train` wrote.
        backbone: open_clip name, JSON file, or a backbone file, whose towers the checkpoint must then share, since
            image features are cached from it.
        tag: open_clip tag of the backbone's weights, see `pretrained_architecture`; a backbone file knows its own.

    Raises:
        ClipnError: missing, damaged, foreign or unfitting file.
    """
    tensors, notes = read_weights(path)
    own = read_metadata(path) if path.suffix == ".safetensors" else {}
    is_own = own.get("format") == FORMAT
    if is_own:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING)}
    elif not has_no_tower(tensors):
        if behind := next((name for name in tensors if name.endswith(f".{NO_TOWER}")), None):
            raise ClipnError(f"{path}: {behind} is {NO_TOWER} behind a prefix; save all weights under their own names")
        raise ClipnError(f'{path}: has no "no" tower; if it is a plain CLIP file, use `clipn backbone import`')
    frozen = None
    if backbone.endswith(".safetensors"):
        frozen, architecture = load_backbone(Path(backbone))
    else:
        architecture = pretrained_architecture(backbone, tag)
    model = released_model(tensors, architecture, path, backbone, is_own)
    if frozen is not None:
        _require_same_towers(model.clip, frozen, path, backbone)
    is_file = backbone.endswith((".json", ".safetensors"))
    metadata = own | {
        "backbone": Path(backbone).stem if is_file else backbone,
        "epoch": str(notes.get("epoch", "")),
        "source_sha256": file_hash(path),
    }
    return Released(model.eval(), architecture, metadata)


def has_no_tower(tensors: Mapping[str, Tensor]) -> bool:
    """Whether tensors of the authors' code are those of CLIPN, not of plain CLIP."""
    return NO_TOWER in tensors


def released_model(
    tensors: Mapping[str, Tensor], architecture: dict[str, Any], path: Path, backbone: str, is_own: bool = False
) -> CLIPN:
    """The model of a checkpoint's tensors.

    Args:
        tensors: by their names.
        architecture: of its towers.
        path: the file they came from.
        backbone: what the architecture was found by.
        is_own: whether the tensors are called as here, not as in the authors' code.

    Raises:
        ClipnError: they do not fit.
    """
    clip, bank = build_to_fill(architecture), tensors.get(OWN_BANK if is_own else BANK)
    # A bank of another shape has no size; `fit` refuses it by name.
    prompts, positions, _ = bank.shape if bank is not None and bank.ndim == 3 else (0, 0, 0)
    # The authors' prompts have all positions.
    tokens = min(positions, clip.context_length) if is_own and prompts else None
    model = CLIPN(clip, preprocess(architecture), prompts, tokens)
    remedy = f"it was not trained on {backbone}; name its backbone"
    fit(model, tensors, path, remedy, str if is_own else released_name)
    return model


def convert_checkpoint(path: Path, backbone: str, output: Path, tag: str | None = None) -> None:
    """Write what `import_checkpoint` reads as a checkpoint of this project; same errors."""
    model, architecture, metadata = import_checkpoint(path, backbone, tag)
    save_checkpoint(output, model.state_dict(), architecture, metadata)


def _require_same_towers(clip: open_clip.CLIP, frozen: open_clip.CLIP, path: Path, backbone: str) -> None:
    theirs = frozen.state_dict()
    for name, tensor in clip.state_dict().items():
        # Image features do not depend on the temperature, so it may differ.
        if name != "logit_scale" and not torch.allclose(tensor, theirs[name], rtol=HALF, atol=HALF**2):
            raise ClipnError(f"{path}: {name} differs from that of {backbone}; name the backbone it was trained on")
