"""CLIPN checkpoints: all towers and their metadata in one safetensors file."""

import json
from pathlib import Path
from typing import Any

from clipn.backbone import build, preprocess, read_safetensors, write_safetensors
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
    header = {**metadata, "format": FORMAT, "architecture": json.dumps(architecture)}
    write_safetensors(path, model.state_dict(), header)


def load(path: str | Path, device: str = "cpu") -> CLIPN:
    """The model of a checkpoint, in evaluation mode and with all towers frozen.

    Frozen, because torch rounds otherwise where a gradient may be asked for, and an untrained "no" tower must
    say exactly what "yes" says.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, metadata = read_safetensors(Path(path), FORMAT)
    architecture = json.loads(metadata["architecture"])
    model = CLIPN(build(architecture), preprocess(architecture), prompts=len(tensors["no.prompts"]))
    model.load_state_dict(tensors)
    return model.to(device).eval().requires_grad_(False)
