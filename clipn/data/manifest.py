"""The manifest of a dataset: one Parquet row per image, written only if every image decodes and counts agree."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clipn.data.readers import Image
from clipn.data.registry import Dataset
from clipn.errors import ClipnError
from clipn.files import atomic, require

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.int32()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)


def index_images(name: str, record: Dataset, images: Iterable[Image], manifest: Path) -> None:
    """Decode every image and write the manifest atomically, rows in the order of `images`.

    Columns: path, label (-1: none), sha256 of the stored bytes, width and height in pixels.

    Raises:
        ClipnError: an image does not decode, there are none or two of one name, or their number or names
            are not those of the record.
    """
    rows = [_row(image) for image in images]
    _check_names(name, record, [str(row["path"]) for row in rows])
    with atomic(manifest) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary, compression="zstd")


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest; columns as written by `index_images`.

    Raises:
        ClipnError: the file is missing or is not a manifest.
    """
    try:
        table = pq.read_table(require(path))
    except pa.ArrowInvalid as error:
        raise ClipnError(f"{path}: not a Parquet file ({error}); delete it and run again") from error
    if table.schema.names != SCHEMA.names:
        raise ClipnError(f"{path}: its columns are not {', '.join(SCHEMA.names)}; delete it and run again")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def names_hash(names: Iterable[str]) -> str:
    """sha256 of the sorted names, one per line, each with LF."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


def _row(image: Image) -> dict[str, str | int]:
    width, height = image.open().size
    digest = hashlib.sha256(image.content).hexdigest()
    return {"path": image.path, "label": image.label, "sha256": digest, "width": width, "height": height}


def _check_names(name: str, record: Dataset, paths: list[str]) -> None:
    if not paths:
        raise ClipnError(f"{name}: no image found; check `reader` and `select` of this dataset in the registry")
    path, times = Counter(paths).most_common(1)[0]
    if times > 1:
        raise ClipnError(f"{name}: {path} occurs {times} times; exclude all but one with `select` in the registry")
    if record.images is not None and len(paths) != record.images:
        raise ClipnError(
            f"{name}: {len(paths)} images found, {record.images} expected; "
            "check `select`, or correct `images` in the registry"
        )
    if record.names_sha256 is not None and (found := names_hash(paths)) != record.names_sha256:
        raise ClipnError(
            f"{name}: the image names hash to {found}, not to `names_sha256`; "
            "check `select`, or correct `names_sha256` in the registry"
        )
