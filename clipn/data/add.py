"""Write a record of somebody's own images into a registry."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from pydantic import ValidationError

from clipn.data.archives import member_names
from clipn.data.archives.tars import is_tar
from clipn.data.archives.zips import is_zip
from clipn.data.insertion import insert_record, locked, require_changeable
from clipn.data.location import locate
from clipn.data.manifest import names_hash
from clipn.data.readers import read_images, warn_of_left_out
from clipn.data.readers.folders import folders_apart
from clipn.data.readers.selection import is_image
from clipn.data.registry import Dataset, Reader, Registry, load_registry
from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.yaml_models import first_error


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
    require_changeable(registry)
    _require_new(registry, name)
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
    return _insert(registry, name, record | _counts(name, record, path, registry))


def copy_dataset(name: str, source: Path, registry: Path) -> None:
    """Add the record of a dataset in another registry, whose relative paths then start from the folder of `registry`.

    Raises:
        ClipnError: `source` has no such dataset, or `registry` has one.
    """
    record = load_registry(source).dataset(name).model_dump(mode="json", exclude_defaults=True)

    def moved(path: str) -> str:
        return path if "://" in path else _from(registry, source.parent / path)

    for key in ("folder", "file_list"):
        if key in record:
            record[key] = moved(record[key])
    for archive in record.get("archives", []):
        archive["addresses"] = [moved(address) for address in archive.get("addresses", [])]
    _insert(registry, name, record)


def _insert(registry: Path, name: str, record: Mapping[str, Any]) -> Dataset:
    with locked(registry) as file:
        # Another process may have added one while the images were counted.
        dataset = _joined(registry, name, record)
        insert_record(file, "datasets", name, record)
    return dataset


def _joined(registry: Path, name: str, record: Mapping[str, Any]) -> Dataset:
    """A new record among those of its registry: its name or a stored file may be that of another."""
    records = _require_new(registry, name)
    try:
        datasets = {**records.datasets, name: record}
        return Registry.model_validate(
            {"datasets": datasets, "captions": records.captions, "words": records.words}
        ).datasets[name]
    except ValidationError as error:
        raise ClipnError(f"{name}: {first_error(error)}") from error


def _require_new(registry: Path, name: str) -> Registry:
    records = load_registry(registry) if registry.exists() else Registry()
    if name in records.records or name in records.words:
        raise ClipnError(f"{registry}: has a record {name!r} already; choose another name, or remove that record")
    return records


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


def _counts(name: str, record: Mapping[str, Any], path: Path, registry: Path) -> dict[str, Any]:
    """Number of the images at `path`, and hash of their names."""
    dataset = _joined(registry, name, record)
    location = locate(dataset, path.parent, registry.parent)
    warn_of_left_out(name, location)
    names = [image.path for image in read_images(location)]
    if not names:
        raise ClipnError(f"{path}: holds no image in the layout {dataset.reader!r}; name another --reader")
    first, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ClipnError(
            f"{path}: {times} images are called {first}; rename them, or enter the folder by `clipn data add` with a "
            "--file-list of whole paths"
        )
    return {"images": len(names), "names_sha256": names_hash(names)}
