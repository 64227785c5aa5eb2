"""What later steps must know of a dataset, so that they need neither its registry nor its archives."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from clipn.data.verification import State
from clipn.errors import ClipnError
from clipn.files import read_json
from clipn.yaml_models import Record, first_error

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
    images: int


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
        raise ClipnError(f"{path}: has no class names; name the ID dataset's, or `classes` in the registry")
    return classes
