"""Write a record of somebody's own images into a registry, whose comments and order stay as they are."""

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from clipn.data.archives import member_names
from clipn.data.archives.tars import is_tar
from clipn.data.archives.zips import is_zip
from clipn.data.location import locate
from clipn.data.manifest import names_hash
from clipn.data.readers import read_images
from clipn.data.readers.selection import is_image
from clipn.data.registry import Dataset, Reader, Registry, load_registry
from clipn.errors import ClipnError
from clipn.files import file_hash, write_text
from clipn.yaml_models import first_error

FIRST_LINE = "# Registry of datasets. Schema: workflow/schemas/datasets.schema.json.\n"


def add_dataset(
    registry: Path, name: str, path: Path, title: str, reader: Reader | None, file_list: Path | None
) -> Dataset:
    """Add a dataset that lies at `path` to `registry`, which is created if it is missing.

    Args:
        registry: YAML file.
        name: of the new record.
        path: folder, archive, or folder of WebDataset shards; read where it is.
        title: printed name.
        reader: layout; None: judged by the names of the files.
        file_list: text file of paths, for reader `list`.

    Returns:
        The record: number of images and hash of their names as found; images are decoded by `clipn data verify`.

    Raises:
        ClipnError: the name is taken or no name, there is nothing at `path`, or it holds no image in this layout.
    """
    records = load_registry(registry) if registry.exists() else Registry()
    if name in records.records:
        raise ClipnError(f"{registry}: has a record {name!r} already; choose another name, or remove that record")
    if not path.exists():
        raise ClipnError(f"{path}: no such file or folder; check the path")
    if path.is_file() and not (is_tar(path) or is_zip(path)):
        raise ClipnError(f"{path}: is neither a folder nor a tar or zip archive; name one, or the folder it lies in")
    if file_list is not None and reader not in (None, "list"):
        raise ClipnError(f"--reader {reader}: does not go with --file-list, whose reader is `list`; leave one out")
    if reader == "list" and file_list is None:
        raise ClipnError("--reader list: needs --file-list; name the text file")
    record: dict[str, Any] = {"title": title, "reader": "list" if file_list else reader or _layout(path)}
    if path.is_dir():
        record["folder"] = _from(registry, path)
    else:
        size = path.stat().st_size
        address = _from(registry, path)
        record["archives"] = [{"file": path.name, "addresses": [address], "sha256": file_hash(path), "bytes": size}]
    if file_list:
        record["file_list"] = _from(registry, file_list)
    record |= _counts(name, record, path, registry, records)
    insert_record(registry, "datasets", name, record)
    return Dataset.model_validate(record)


def copy_dataset(name: str, source: Path, registry: Path) -> None:
    """Add the record of a dataset in another registry, whose relative paths then start from the folder of `registry`.

    Raises:
        ClipnError: `source` has no such dataset, or `registry` has one.
    """
    if registry.exists() and name in load_registry(registry).records:
        raise ClipnError(f"{registry}: has a record {name!r} already; choose another name, or remove that record")
    record = load_registry(source).dataset(name).model_dump(mode="json", exclude_defaults=True)

    def moved(path: str) -> str:
        return path if "://" in path else _from(registry, source.parent / path)

    for key in ("folder", "file_list"):
        if key in record:
            record[key] = moved(record[key])
    for archive in record.get("archives", []):
        archive["addresses"] = [moved(address) for address in archive.get("addresses", [])]
    insert_record(registry, "datasets", name, record)


def _from(registry: Path, path: Path) -> str:
    """A path as the registry should name it: relative to its folder, but absolute where a person wrote it so."""
    if path.is_absolute():
        return str(path)
    return PurePath(os.path.relpath(path, registry.parent)).as_posix()


def _layout(path: Path) -> Reader:
    """The reader for a folder or archive, by the names in it."""
    if path.is_dir() and any(path.glob("[!.]*.tar")):
        return "webdataset"
    names = member_names(path)
    if any(name.endswith(".cls") for name in names):
        return "webdataset"
    folders = {PurePosixPath(name).parent for name in names if is_image(name)}
    # An image beside the folders has no class, and one folder around everything is none.
    return "folders" if len(folders) > 1 and PurePosixPath() not in folders else "flat"


def _counts(name: str, record: dict[str, Any], path: Path, registry: Path, records: Registry) -> dict[str, Any]:
    """Number of the images at `path`, and hash of their names."""
    try:
        # The whole registry is checked, since a name or a stored file may be that of another record.
        datasets = records.datasets | {name: record}
        dataset = Registry.model_validate({"datasets": datasets, "captions": records.captions}).datasets[name]
    except ValidationError as error:
        raise ClipnError(f"{name}: {first_error(error)}") from error
    names = [image.path for image in read_images(locate(dataset, path.parent, registry.parent))]
    if not names:
        raise ClipnError(f"{path}: holds no image in the layout {dataset.reader!r}; name another --reader")
    return {"images": len(names), "names_sha256": names_hash(names)}


def insert_record(path: Path, section: str, name: str, record: Mapping[str, Any]) -> None:
    """Write `<section>.<name>` into a YAML file, whose comments and order stay; one that is missing is a registry."""
    # PyYAML would drop the comments, quotation marks and order of what a person wrote.
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(path.read_text(encoding="utf-8") if path.exists() else f"{FIRST_LINE}{section}:\n") or {}
    # A section without a value is None.
    content[section] = content.get(section) or {}
    content[section][name] = record
    text = StringIO()
    yaml.dump(content, text)
    write_text(path, text.getvalue())
