"""The authors' tiny checkpoint as a CLIPN model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipn.backbone import build, preprocess
from clipn.model import CLIPN


def released_name(name: str) -> str:
    """Name of one of our tensors in the authors' state dict."""
    tower, rest = name.split(".", 1)
    if tower == "clip":
        return rest
    if rest == "prompts":
        return "prompt_no"
    head, dot, tail = rest.partition(".")
    return f"{head}_no{dot}{tail}"


def golden_figures(golden: Path) -> tuple[dict[str, Any], Any]:
    return json.loads((golden / "golden.json").read_text()), np.load(golden / "golden.npz")


def golden_model(golden: Path) -> CLIPN:
    architecture = golden_figures(golden)[0]["architecture"]
    model = CLIPN(build(architecture), preprocess(architecture))
    released = torch.load(golden / "epoch_10.pt", weights_only=True)["state_dict"]
    model.load_state_dict({name: released[f"module.{released_name(name)}"] for name in model.state_dict()})
    return model.eval()
