"""Write a record of somebody's own images into a registry, whose comments and order stay as they are."""

import os
from collections import Counter
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
from clipn.data.readers import read_images, warn_of_left_out
from clipn.data.readers.folders import folders_apart
from clipn.data.readers.selection import is_image
from clipn.data.registry import Dataset, Reader, Registry, load_registry
from clipn.errors import ClipnError
from clipn.files import file_hash, write_text
from clipn.yaml_models import first_error

FIRST_LINE = "# Registry of datasets. Schema: workflow/schemas/datasets.schema.json.\n"


def add_dataset(
    registry: Path,
    name: str,
    path: Path,
    title: str,
    reader: Reader | None,
    file_list: Path | None,
    labelled: bool = True,
) -> Dataset:
    """Add a dataset that lies at `path` to `registry`, which is created if it is missing.

    Args:
        registry: YAML file.
        name: of the new record.
        path: folder, archive, or folder of WebDataset shards; read where it is.
        title: printed name.
        reader: layout; None: judged by the names of the files.
        file_list: text file of paths, for reader `list`.
        labelled: whether a layout of folders that are not clearly classes is refused, or taken for one without.

    Returns:
        The record: number of images and hash of their names as found; images are decoded by `clipn data verify`.

    Raises:
        ClipnError: the name is taken or no name, there is nothing at `path`, it holds no image in this layout, or two
            of one name, or its folders are not clearly classes.
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
    record: dict[str, Any] = {"title": title, "reader": "list" if file_list else reader or _layout(path, labelled)}
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


def _layout(path: Path, labelled: bool) -> Reader:
    """The reader for a folder or archive, by the names in it; without labels, folders that are no classes are none.

    Raises:
        ClipnError: the names fit several.
    """
    names = member_names(path)
    folders = {PurePosixPath(name).parent for name in names if is_image(name)}
    has_shards = path.is_dir() and any("/" not in name and name.endswith(".tar") for name in names)
    if has_shards and folders:
        raise ClipnError(f"{path}: holds both *.tar and images; give one folder of each, or name the --reader")
    if has_shards or (path.is_file() and any(name.endswith(".cls") for name in names)):
        return "webdataset"
    # An image beside the folders has no class, and one folder around everything is none.
    if len(folders) < 2 or PurePosixPath() in folders:
        return "flat"
    if not (apart := folders_apart(folders)):
        return "folders"
    if not labelled:
        return "flat"
    raise ClipnError(
        f"{path}: {apart[0]} and {apart[1]} hold images and do not lie side by side, so classes are not clear; give "
        "the folder that holds one folder per class, a --file-list with labels, or --reader flat for none"
    )


def _counts(name: str, record: dict[str, Any], path: Path, registry: Path, records: Registry) -> dict[str, Any]:
    """Number of the images at `path`, and hash of their names."""
    try:
        # The whole registry is checked, since a name or a stored file may be that of another record.
        datasets = records.datasets | {name: record}
        dataset = Registry.model_validate({"datasets": datasets, "captions": records.captions}).datasets[name]
    except ValidationError as error:
        raise ClipnError(f"{name}: {first_error(error)}") from error
    location = locate(dataset, path.parent, registry.parent)
    warn_of_left_out(name, location)
    names = [image.path for image in read_images(location)]
    if not names:
        raise ClipnError(f"{path}: holds no image in the layout {dataset.reader!r}; name another --reader")
    first, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ClipnError(
            f"{path}: {times} images are called {first}; rename them, or give a --file-list of whole paths"
        )
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
