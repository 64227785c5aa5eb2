"""The manifest of a dataset: one Parquet row per image, written only if every image decodes and counts agree."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clipn.data.cleaning import CLEAN
from clipn.data.readers import Image
from clipn.data.readers.image import UndecodableError
from clipn.data.registry import Dataset
from clipn.errors import ClipnError
from clipn.files import atomic, named, require
from clipn.iteration import in_threads

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.int32()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
NAMED_BROKEN = 3
"""Images that do not decode and are named in the message."""


def index_images(name: str, record: Dataset, images: Iterable[Image]) -> pa.Table:
    """Decode every image, on all cores.

    Returns:
        A row per image in the order of `images`: path, label (-1: none), sha256 of the stored bytes, width and
        height in pixels.

    Raises:
        ClipnError: some images do not decode, there are none or two of one name, or their number or names are not
            those of the record.
    """
    rows = list(in_threads(_row, images))
    # All of them are decoded before any is refused, so that the message can say how many are broken.
    broken = [f"{row['path']} ({row['reason']})" for row in rows if row["width"] is None]
    if broken:
        number, them = ("1 image", "it") if len(broken) == 1 else (f"{len(broken)} images", "them")
        # A folder is the user's own, which no fetch repairs.
        archived = f"fetch the archive again, or exclude {them} with `select`"
        remedy = f"repair or remove {them}" if record.folder is not None else archived
        listed = named(broken, NAMED_BROKEN)
        raise ClipnError(f"{name}: {number} cannot be used: {listed}; {remedy}")
    _check_names(name, record, [row["path"] for row in rows])
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def write_manifest(manifest: pa.Table, path: Path) -> None:
    """Write a manifest atomically; the same rows give the same bytes."""
    with atomic(path) as temporary:
        pq.write_table(manifest, temporary, compression="zstd")


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest.

    Returns:
        Columns of `index_images`, then the nullable boolean columns of `clipn.data.cleaning.mark`.

    Raises:
        ClipnError: the file is missing or is not a manifest.
    """
    try:
        table = pq.read_table(require(path))
    except pa.ArrowInvalid as error:
        raise ClipnError(f"{path}: not a Parquet file ({error}); delete it and run again") from error
    names = table.schema.names
    if names[: len(SCHEMA)] != SCHEMA.names or not all(name.startswith(CLEAN) for name in names[len(SCHEMA) :]):
        raise ClipnError(f"{path}: its columns are not {', '.join(SCHEMA.names)}; delete it and run again")
    # pandas has no null in its own booleans: without the mapper, such a column holds Python objects.
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    return frame


def names_hash(names: Iterable[str]) -> str:
    """sha256 of the sorted names, one per line, each with LF."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


def _row(image: Image) -> dict[str, Any]:
    """Columns of an image; for one that does not decode, width and height are None, and there is a `reason`."""
    row = {"path": image.path, "label": image.label, "sha256": hashlib.sha256(image.content).hexdigest()}
    try:
        width, height = image.measure()
    except UndecodableError as error:
        return row | {"width": None, "height": None, "reason": error.reason}
    return row | {"width": width, "height": height}


def _check_names(name: str, record: Dataset, paths: list[str]) -> None:
    if not paths:
        raise ClipnError(f"{name}: no image found; check `reader` and `select` of this dataset in the registry")
    path, times = Counter(paths).most_common(1)[0]
    if times > 1:
        raise ClipnError(f"{name}: {path} occurs {times} times; exclude all but one with `select` in the registry")
    if record.images is not None and len(paths) != record.images:
        raise ClipnError(
            f"{name}: {len(paths)} image{'s' if len(paths) > 1 else ''} found, {record.images} expected; "
            "check `select`, or correct `images` in the registry"
        )
    if record.names_sha256 is not None and (found := names_hash(paths)) != record.names_sha256:
        raise ClipnError(
            f"{name}: the image names hash to {found}, not to `names_sha256`; "
            "check `select`, or correct `names_sha256` in the registry"
        )
