"""The typed record of every weight file: where its bytes come from, what they must be."""

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from clipn.data.registry import Archive
from clipn.yaml_models import Name, Record, RecordFile, load_record_file, named

WEIGHTS = Path("config/weights.yaml")
"""The registry, relative to the working directory."""


class Weights(Record):
    """One file of trained weights."""

    title: str
    architecture: str = Field(description="open_clip name")
    tag: str | None = Field(default=None, description="open_clip pretrained tag; empty for checkpoints of CLIPN")
    revision: str | None = Field(default=None, description="commit of the repository in the addresses")
    archive: Archive
    terms: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _addresses_at_the_revision(self) -> "Weights":
        if self.revision and not all(f"/{self.revision}/" in address for address in self.archive.addresses):
            raise ValueError("an address lacks the revision; write .../resolve/REVISION/FILE")
        return self


class WeightsRegistry(RecordFile):
    """All weights that a study may name: of backbones by ARCHITECTURE/TAG, of CLIPN by a name."""

    backbones: dict[str, Weights] = Field(default={}, description="weights of CLIP backbones")
    checkpoints: dict[Name, Weights] = Field(default={}, description="checkpoints of CLIPN")

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
        return self

    @property
    def records(self) -> dict[str, Weights]:
        """All records by their keys."""
        return {**self.backbones, **self.checkpoints}

    def weights(self, key: str) -> Weights:
        """Raises ClipnError when there is no record of that key."""
        return named(self.records, key, "weights", self._path)


def load_weights(path: Path) -> WeightsRegistry:
    """Read and check a registry of weights.

    Raises:
        ClipnError: as `clipn.data.registry.load_registry`.
    """
    return load_record_file(path, WeightsRegistry)
