"""The typed record of every weight file: where its bytes come from, what they must be."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from clipn.data.registry import Archive
from clipn.yaml_models import FileName, Name, Record, RecordFile, load_record_file, named

WEIGHTS = Path("config/weights.yaml")
"""The registry, relative to the working directory."""


TensorNames = Literal["timm", "efficientnet-lite0"]
"""What a file calls the tensors of an image tower: as timm does, or as a table of `clipn.model.image_tower` says."""


class WeightFile(Record):
    """One file of trained weights."""

    title: str
    revision: str | None = Field(default=None, description="commit of the repository in the addresses")
    archive: Archive
    terms: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _addresses_at_the_revision(self) -> "WeightFile":
        if self.revision and not all(f"/{self.revision}/" in address for address in self.archive.addresses):
            raise ValueError("an address lacks the revision; write .../resolve/REVISION/FILE")
        return self


class Weights(WeightFile):
    """Weights of a CLIP backbone, or of CLIPN."""

    architecture: str = Field(description="open_clip name")
    tag: str | None = Field(default=None, description="open_clip pretrained tag; empty for checkpoints of CLIPN")


class ImageTower(WeightFile):
    """Weights of an image tower of timm, which backbones are trained on."""

    tensor_names: TensorNames = Field(default="timm", description="what the file calls its tensors")
    trained_on: str = Field(description="what it saw, as tables and the page say it: images, and labels if any")


class WeightsRegistry(RecordFile):
    """All weights that a study may name: of backbones by ARCHITECTURE/TAG, of all others by a name."""

    backbones: dict[str, Weights] = Field(default={}, description="weights of CLIP backbones")
    checkpoints: dict[Name, Weights] = Field(default={}, description="checkpoints of CLIPN")
    image_towers: dict[FileName, ImageTower] = Field(default={}, description="image towers that backbones start from")
    networks: dict[FileName, WeightFile] = Field(
        default={}, description="networks that were trained on the classes of an ID dataset"
    )

    @field_validator("backbones")
    @classmethod
    def _named_by_what_they_are(cls, backbones: dict[str, Weights]) -> dict[str, Weights]:
        for name, weights in backbones.items():
            if name != f"{weights.architecture}/{weights.tag}":
                raise ValueError(f"{name}: must be called ARCHITECTURE/TAG, {weights.architecture}/{weights.tag}")
        return backbones

    @model_validator(mode="after")
    def _files_have_names_of_their_own(self) -> "WeightsRegistry":
        files = [weights.archive.file for weights in self.records.values()]
        for file in files:
            if files.count(file) > 1:
                raise ValueError(f"two records store a file {file!r}; name them apart")
        for key in self.models.keys() & self.image_towers.keys():
            raise ValueError(f"{key} is a model and an image tower; name them apart")
        for key in self.networks.keys() & {*self.models, *self.image_towers}:
            raise ValueError(f"{key} is a network and something else; name them apart")
        return self

    @property
    def models(self) -> dict[str, Weights]:
        """Records of backbones and checkpoints by their keys."""
        return {**self.backbones, **self.checkpoints}

    @property
    def records(self) -> dict[str, WeightFile]:
        """All records by their keys."""
        return {**self.models, **self.image_towers, **self.networks}

    def image_tower(self, key: str) -> ImageTower:
        """Raises ClipnError when there is no image tower of that key."""
        return named(self.image_towers, key, "image tower", self._path)

    def weights(self, key: str) -> WeightFile:
        """Raises ClipnError when there is no record of that key."""
        return named(self.records, key, "weights", self._path)


def load_weights(path: Path) -> WeightsRegistry:
    """Read and check a registry of weights.

    Raises:
        ClipnError: as `clipn.data.registry.load_registry`.
    """
    return load_record_file(path, WeightsRegistry)
