"""CLIPN checkpoints: all towers and their metadata in one safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from clipn.model.backbone import build_to_fill, preprocess
from clipn.model.clipn import CLIPN
from clipn.model.tensors import mapping_in, read_safetensors, write_safetensors
from clipn.model.weights import fit

FORMAT = "clipn-checkpoint-1"
TRAINING = "training."
"""Prefix of tensors that a training under way keeps in its checkpoint beside the model's."""


def save_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], architecture: dict[str, Any], metadata: Mapping[str, str]
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: where to.
        tensors: the state of a `CLIPN`.
        architecture: open_clip's configuration of its towers.
        metadata: what made it, e.g. backbone, variant, seed, epochs.
    """
    # The last two win: whatever the metadata holds, the file says what it is.
    header = {**metadata, "format": FORMAT, "architecture": json.dumps(architecture)}
    write_safetensors(path, tensors, header)


def load_checkpoint(path: Path, device: str = "cpu") -> CLIPN:
    """The model of a checkpoint of this project, in evaluation mode and with all towers frozen.

    Frozen, because torch rounds otherwise where a gradient may be asked for, and an untrained "no" tower must
    say exactly what "yes" says.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    stored, metadata = read_safetensors(path, FORMAT)
    tensors = {name: tensor for name, tensor in stored.items() if not name.startswith(TRAINING)}
    architecture = mapping_in(path, metadata, "architecture")
    clip = build_to_fill(architecture, f"{path}: architecture")
    prompts, positions, stored_bank = 0, None, tensors.get("no.prompts")
    # For a stored bank of a wrong shape the model gets none, or a shorter one; `fit` then names the difference.
    if stored_bank is not None and stored_bank.ndim == 3:
        prompts, positions = stored_bank.shape[0], min(stored_bank.shape[1], clip.context_length)
    model = CLIPN(clip, preprocess(architecture), prompts, positions)
    fit(model, tensors, path, "it does not fit its own header; delete it and make it again")
    return model.to(device).eval().requires_grad_(False)
