"""Per-image scores in files of others, matched to the images of a dataset."""

import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.files import require

NAMES = ("file", "path", "name", "image", "filename")
"""Columns, or arrays of an NPZ file, that may hold the names of the images."""

LARGEST = 1 << 28
"""Bytes of an NPZ file that is unpacked: more than 300,000 scores and names take."""


def read_scores_of(images: Sequence[str], path: Path, column: str) -> NDArray[np.float64]:
    """Scores (n,) of a file, in the order of the dataset's images.

    Args:
        images: paths of the images in the manifest.
        path: CSV, Parquet or NPZ. If it has one of `NAMES`, images are found by their paths, or by file names alone; if
            not, it must be in the order of the manifest, that of `clipn data verify`.
        column: of the scores.

    Raises:
        ClipnError: missing or foreign file, no such column, another number of images or other names, names in a column
            that is not called so, or a score that is no finite number.
    """
    table = _read(path)
    if column not in table:
        raise ClipnError(f"{path}: has no {column!r}; name one of {', '.join(table)} as `column`")
    if len(table[column]) != len(images):
        raise ClipnError(f"{path}: has {len(table[column]):,} scores, but there are {len(images):,} images; score all")
    try:
        scores = np.asarray(table[column], np.float64)
    except (TypeError, ValueError) as error:
        raise ClipnError(f"{path}: {column}: not all are numbers ({error}); correct the file") from error
    if scores.ndim > 1:
        raise ClipnError(f"{path}: {column}: holds lists; write a number per image")
    if not np.isfinite(scores).all():
        raise ClipnError(f"{path}: {column}: row {np.isfinite(scores).argmin() + 1} is no finite number; correct it")
    named = next((name for name in NAMES if name in table and name != column), None)
    texts = (name for name, values in table.items() if all(isinstance(value, str) for value in values))
    # Other texts may be classes; those that differ in every row tell images apart, whose order they then are.
    others = (name for name in texts if name != column and len(set(table[name])) == len(images) > 1)
    if named is None and (unknown := next(others, None)):
        raise ClipnError(f"{path}: {unknown!r} seems to hold names of images; call it {NAMES[0]!r}, or leave it out")
    return scores if named is None else scores[_order(path, list(map(str, table[named])), images)]


def _read(path: Path) -> Mapping[str, Sequence[object]]:
    if path.suffix == ".npz":
        try:
            # Pickled objects could be a program.
            with np.load(require(path), allow_pickle=False) as arrays:
                # Compressed zeros take next to nothing.
                if sum(entry.file_size for entry in arrays.zip.infolist()) > LARGEST:
                    raise ClipnError(f"{path}: unpacks to more than {LARGEST:,} bytes; save scores and names alone")
                return {name: arrays[name].ravel().tolist() for name in arrays.files}
        except (ValueError, OSError, EOFError, TypeError, BadZipFile, zlib.error) as error:
            raise ClipnError(f"{path}: not a whole NPZ file of numbers and texts ({error}); save it again") from error
    if path.suffix not in (".csv", ".parquet"):
        raise ClipnError(f"{path}: is no table of scores by its name; it must end in .csv, .parquet or .npz")
    try:
        table = pd.read_parquet(require(path)) if path.suffix == ".parquet" else _read_csv(path)
        # Names may be its index.
        table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    except pd.errors.ParserWarning as error:
        reason = "has rows of more cells than the first one; write 0.5, not 0,5, and name every column"
        raise ClipnError(f"{path}: {reason}") from error
    except (ValueError, OSError) as error:
        raise ClipnError(f"{path}: cannot be read ({' '.join(str(error).split())}); save it again") from error
    return {str(name): table[name].tolist() for name in table}


def _read_csv(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # pandas would take the first cells of longer rows for an index, or drop the last ones.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # CIFAR's images are called 00000, which pandas would read as a number.
        return pd.read_csv(require(path), dtype=dict.fromkeys(NAMES, str), index_col=False)


def _order(path: Path, given: Sequence[str], images: Sequence[str]) -> list[int]:
    """Rows of a file in the order of the manifest, by paths or, where these differ, by file names."""
    for brought in (str, lambda name: name.rpartition("/")[2]):
        rows = {brought(name): row for row, name in enumerate(given)}
        wanted = list(map(brought, images))
        # Names that occur twice tell nothing.
        if len(rows) == len(given) and rows.keys() == set(wanted):
            return [rows[name] for name in wanted]
    strange = next((name for name in given if name not in set(images)), given[0])
    raise ClipnError(f"{path}: {strange}: is no image of the dataset, or is there twice; its images are as {images[0]}")
