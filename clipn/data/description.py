"""What later steps must know of a dataset, so that they need neither its registry nor its archives."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, ValidationError

from clipn.data.verification import State
from clipn.errors import ClipnError
from clipn.files import read_json
from clipn.yaml_models import Record, first_error

NO_CLASSES = "has no class names, so it cannot be ID"
RESULTS = ("manifest.parquet", "dataset.json")
"""What verifying a dataset writes, the description last; of a caption source, only that."""


class Description(Record):
    """A dataset or caption source as it was found.

    Attributes:
        title: printed name.
        classes: class names in label order.
        archives: sha256 by file name; empty for an unpacked copy.
        proof: what is known of each archive.
        names: whether the names of the images have the published hash; `unverified` where none is published.
        images: number of images; of a caption source, of captions.
    """

    title: str
    classes: list[str]
    archives: dict[str, str]
    proof: dict[str, State]
    names: Literal["verified", "unverified"]
    images: NonNegativeInt


def naming_classes(name: str, registry: str) -> str:
    """What a person does about a dataset without class names."""
    return f"name them, in label order, under datasets.{name}.classes in {registry}"


def read_description(path: Path) -> Description:
    """Read a description.

    Raises:
        ClipnError: missing or damaged file.
    """
    try:
        return Description.model_validate(read_json(path))
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_error(error)}; delete it and run again") from error


def read_classes(path: Path) -> list[str]:
    """Class names, in label order, of the dataset that a description is of.

    Raises:
        ClipnError: missing or damaged file, or a dataset without class names.
    """
    classes = read_description(path).classes
    if not classes:
        name = path.parent.name
        raise ClipnError(f"{name}: {NO_CLASSES}; {naming_classes(name, 'the registry')}")
    return classes
