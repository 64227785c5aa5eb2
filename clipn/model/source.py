"""Where a model comes from."""

from pathlib import Path
from typing import NamedTuple

from clipn.errors import ClipnError

HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
"""Names of the weight file in a folder of the hub."""


class ModelSource(NamedTuple):
    """Where a model comes from.

    Attributes:
        path: weight file, or folder in the layout of open_clip's hub.
        architecture: open_clip name or JSON file; None: as the file says, or as its shapes tell.
        tag: open_clip tag of the weights, for their activation and preprocessing.
    """

    path: Path
    architecture: str | None = None
    tag: str | None = None

    @property
    def weights(self) -> Path:
        """The weight file; raises ClipnError if there is none in a folder."""
        if not self.path.is_dir():
            return self.path
        found = next((self.path / name for name in HUB_WEIGHTS if (self.path / name).is_file()), None)
        if found is None:
            raise ClipnError(f"{self.path}: holds no {HUB_WEIGHTS[0]}; name a weight file, or a folder of the hub")
        return found
