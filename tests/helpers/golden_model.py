"""The authors' tiny checkpoint as a CLIPN model."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from clipn.model.clipn import CLIPN
from clipn.model.released import import_checkpoint
from clipn.model.released import released_name as released_name


def golden_figures(golden: Path) -> tuple[dict[str, Any], Any]:
    return json.loads((golden / "golden.json").read_text()), np.load(golden / "golden.npz")


def golden_model(golden: Path) -> CLIPN:
    with tempfile.TemporaryDirectory() as folder:
        architecture = Path(folder) / "golden.json"
        architecture.write_text(json.dumps(golden_figures(golden)[0]["architecture"]))
        return import_checkpoint(golden / "epoch_10.pt", str(architecture)).model
