"""The typed record of every dataset, caption source and weight file: where its bytes come from, what they must be."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from clipn.errors import ClipnError
from clipn.files import require

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Record(BaseModel):
    """Base of all records: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Archive(Record):
    """One file to fetch."""

    file: FileName = Field(description="name under which the file is stored")
    addresses: list[str] = Field(
        default=[], description="http(s) or file addresses, or paths relative to the registry; tried in order"
    )
    sha256: Sha256 | None = Field(default=None, description="published checksum; empty when none is known")
    md5: Md5 | None = Field(default=None, description="published checksum; empty when none is known")
    bytes: int | None = Field(default=None, description="published size in bytes")
    manual: str | None = Field(default=None, description="how to get the file by hand when it may not be fetched")


class Selection(Record):
    """Which images of an archive belong to the dataset; the default is all of them."""

    include: list[str] = Field(default=["*"], description="shell patterns on the path inside the archive")
    exclude: list[str] = Field(default=[], description="shell patterns that are left out")
    start: int = Field(default=0, ge=0, description="first image to take, in sorted order of paths")
    stop: int | None = Field(default=None, ge=0, description="image to stop before, in sorted order of paths")


class Dataset(Record):
    """One benchmark image set."""

    title: str = Field(description="name as printed in tables and figures")
    archives: list[Archive] = Field(min_length=1)
    reader: Literal["cifar", "imagenet_val", "folders", "flat"] = Field(description="layout of the archives")
    select: Selection = Selection()
    images: int | None = Field(default=None, description="number of images that must result")
    names_sha256: Sha256 | None = Field(
        default=None, description="sha256 of the sorted relative names, one per line, each with LF"
    )
    classes: list[str] | Literal["imagenet"] | None = Field(
        default=None,
        description="class names in label order; `imagenet`: open_clip's list; empty: as the archive gives them",
    )
    terms: str | None = Field(default=None, description="licence and terms as stated by the source")
    source: str | None = Field(default=None, description="where the values of this record come from")


class CaptionSource(Record):
    """Captions and the archive that holds their images."""

    title: str
    captions: Archive | None = Field(default=None, description="the caption file; empty when the archive holds it")
    images: Archive = Field(description="tar archive of the images")
    reader: Literal["cc3m", "flickr8k", "class_folders"] = Field(description="layout of captions and images")
    select: Selection = Selection()
    rows: int | None = Field(default=None, description="number of captions that must result")
    terms: str | None = None
    source: str | None = None

    @property
    def archives(self) -> list[Archive]:
        """The caption file, if it is one of its own, and the images."""
        return [archive for archive in (self.captions, self.images) if archive is not None]


class Registry(Record):
    """All that a study may name."""

    datasets: dict[Name, Dataset] = {}
    captions: dict[Name, CaptionSource] = {}

    def dataset(self, name: str) -> Dataset:
        """Raises ClipnError when there is no dataset of that name."""
        return _named(self.datasets, name, "dataset")

    def caption_sources(self, names: Sequence[str]) -> dict[str, CaptionSource]:
        """Raises ClipnError when there is no caption source of one of the names."""
        return {name: _named(self.captions, name, "caption source") for name in names}

    def archives(self, name: str) -> list[Archive]:
        """Archives of a dataset or a caption source; raises ClipnError when there is none of that name."""
        records: dict[str, Dataset | CaptionSource] = {**self.datasets, **self.captions}
        return _named(records, name, "dataset or caption source").archives

    def archive(self, name: str, file: str) -> Archive:
        """One archive by its file name; raises ClipnError when it is not in the record."""
        return _named({archive.file: archive for archive in self.archives(name)}, file, f"archive of {name}")


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


class WeightsRegistry(Record):
    """All weights that a study may name: of backbones by ARCHITECTURE/TAG, of CLIPN by a name."""

    backbones: dict[str, Weights] = {}
    checkpoints: dict[Name, Weights] = {}

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
        return _named(self.records, key, "weights")


def load_registry(path: Path) -> Registry:
    """Read and check a registry of datasets and caption sources.

    Raises:
        ClipnError: the file is missing, is not YAML, or has a wrong record; the message names the key.
    """
    return _load(path, Registry)


def load_weights(path: Path) -> WeightsRegistry:
    """Read and check a registry of weights.

    Raises:
        ClipnError: as `load_registry`.
    """
    return _load(path, WeightsRegistry)


def _load(path: Path, model: type[M]) -> M:
    require(path)
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ClipnError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_complaint(error)}") from error


def _named(records: Mapping[str, T], name: str, what: str) -> T:
    if name not in records:
        raise ClipnError(f"registry: no {what} {name!r}; it has {', '.join(records) or 'none'}")
    return records[name]


def first_complaint(error: ValidationError) -> str:
    """The first complaint of a validation error as `key: reason`."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling"
    return f"{key}: {first['msg']} (got {first['input']!r:.80})"
