"""CLIPN checkpoints: all towers and their metadata in one safetensors file."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from clipn.backbone import build, preprocess, read_safetensors
from clipn.files import atomic
from clipn.model import CLIPN

FORMAT = "clipn-checkpoint-1"


def save_checkpoint(path: Path, model: CLIPN, architecture: dict[str, Any], metadata: dict[str, str]) -> None:
    """Write a checkpoint atomically.

    Args:
        path: where to.
        model: the model.
        architecture: open_clip's configuration of its towers.
        metadata: what made it, e.g. backbone, variant, seed, epochs.
    """
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    header = {**metadata, "format": FORMAT, "architecture": json.dumps(architecture)}
    with atomic(path) as temporary:
        save_file(tensors, temporary, header)


def load(path: str | Path, device: str = "cpu") -> CLIPN:
    """The model of a checkpoint, in evaluation mode.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, metadata = read_safetensors(Path(path), FORMAT)
    architecture = json.loads(metadata["architecture"])
    model = CLIPN(build(architecture), preprocess(architecture), prompts=len(tensors["no.prompts"]))
    model.load_state_dict(tensors)
    return model.to(device).eval()
