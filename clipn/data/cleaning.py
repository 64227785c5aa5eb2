"""Lists of images that people checked for ID classes, as columns of the manifest."""

import csv
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pyarrow as pa

from clipn.data.registry import CleaningList
from clipn.errors import ClipnError
from clipn.files import require

CLEAN = "clean_"
"""How the names of such columns begin."""
NINCO_COLUMNS = ["index", "image_location", "decision"]
NINCO_CLEAN = "o"


def read_cleaning(cleaning: CleaningList, path: Path) -> dict[str, bool]:
    """Which of the checked images show no ID class, by the location that the list gives.

    An image that is listed more than once is clean if it is so each time.

    Args:
        cleaning: the record; reader `ninco`: CSV of index, image_location and decision, of which `o` is clean.
        path: the list.

    Raises:
        ClipnError: the list is missing, has other columns, or not as many rows as its record says.
    """
    try:
        # utf-8-sig, as spreadsheets put a byte order mark before the first column's name.
        with require(path).open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ClipnError(f"{path}: is not a CSV file ({error}); fetch it again") from error
    if not rows or any(list(row) != NINCO_COLUMNS or not all(row.values()) for row in rows):
        raise ClipnError(f"{path}: needs the columns {', '.join(NINCO_COLUMNS)}, filled; fetch it again")
    if cleaning.images is not None and len(rows) != cleaning.images:
        raise ClipnError(f"{path}: lists {len(rows)} images, expected {cleaning.images}; fetch it again")
    clean: dict[str, bool] = {}
    for row in rows:
        location = row["image_location"]
        clean[location] = clean.get(location, True) and row["decision"] == NINCO_CLEAN
    return clean


def mark(manifest: pa.Table, name: str, clean: Mapping[str, bool]) -> pa.Table:
    """The manifest with one more column, `clean_<name>`.

    True: checked, shows no ID class; False: checked, not clean; null: not checked. A location such as
    `datasets/OOD_Places_MOS/b_badlands/00000792.jpg` stands for the image whose path is its file name, its last folder
    and file name, or these two joined by `_`.

    An image that several locations stand for is clean if each says so.

    Raises:
        ClipnError: checked images are not in the manifest.
    """
    paths = manifest["path"].to_pylist()
    in_manifest = set(paths)
    found: dict[str, str | None] = {}
    for location in clean:
        parts = PurePosixPath(location)
        folder, file = parts.parent.name, parts.name
        # The bare file name comes last: files of several folders may share it.
        forms = (f"{folder}/{file}", f"{folder}_{file}", file)
        found[location] = next((form for form in forms if form in in_manifest), None)
    missing = [location for location, path in found.items() if path is None]
    if missing:
        raise ClipnError(
            f"{name}: {missing[0]} is not in the dataset ({len(missing)} of {len(clean)} images of this cleaning list "
            "are not); name a list that was made for it"
        )
    checked: dict[str | None, bool] = {}
    for location, path in found.items():
        checked[path] = checked.get(path, True) and clean[location]
    return manifest.append_column(CLEAN + name, pa.array(map(checked.get, paths), pa.bool_()))
