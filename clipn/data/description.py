"""What later steps must know of a dataset, so that they need neither its registry nor its archives."""

from pathlib import Path

from pydantic import ValidationError

from clipn.data.readers import class_names
from clipn.data.registry import Dataset, Record, first_complaint
from clipn.errors import ClipnError
from clipn.files import file_hash, read_json, write_json


class Description(Record):
    """Printed name, class names in label order, and the sha256 of every archive by file name."""

    title: str
    classes: list[str]
    archives: dict[str, str]


def describe(record: Dataset, folder: Path, output: Path) -> None:
    """Write the description of a dataset whose archives lie in `folder` as JSON.

    Raises:
        ClipnError: the class names cannot be had.
    """
    archives = {archive.file: file_hash(folder / archive.file) for archive in record.archives}
    description = Description(title=record.title, classes=class_names(record, folder), archives=archives)
    write_json(output, description.model_dump())


def read_description(path: Path) -> Description:
    """Read a description.

    Raises:
        ClipnError: missing or damaged file.
    """
    try:
        return Description.model_validate(read_json(path))
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_complaint(error)}; delete it and run again") from error
