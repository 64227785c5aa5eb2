"""Per-image scores in files of others, matched to the images of a dataset."""

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


def read_scores_of(images: Sequence[str], path: Path, column: str) -> NDArray[np.float64]:
    """Scores (n,) of a file, in the order of the dataset's images.

    Args:
        images: paths of the images in the manifest.
        path: CSV, Parquet or NPZ. If it has one of `NAMES`, images are found by their paths, or by file names alone; if
            not, it must be in the order of the manifest, that of `clipn data verify`.
        column: of the scores.

    Raises:
        ClipnError: missing or foreign file, no such column, another number of images or other names, or a score that is
            no finite number.
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
    if not np.isfinite(scores).all():
        raise ClipnError(f"{path}: {column}: row {np.isfinite(scores).argmin() + 1} is no finite number; correct it")
    named = next((name for name in NAMES if name in table and name != column), None)
    return scores if named is None else scores[_order(path, list(map(str, table[named])), images)]


def _read(path: Path) -> Mapping[str, Sequence[object]]:
    if path.suffix == ".npz":
        try:
            # Pickled objects could be a program.
            with np.load(require(path), allow_pickle=False) as arrays:
                return {name: arrays[name].ravel().tolist() for name in arrays.files}
        except (ValueError, OSError, EOFError, TypeError, BadZipFile, zlib.error) as error:
            raise ClipnError(f"{path}: not a whole NPZ file of numbers and texts ({error}); save it again") from error
    if path.suffix not in (".csv", ".parquet"):
        raise ClipnError(f"{path}: is no table of scores by its name; it must end in .csv, .parquet or .npz")
    try:
        # CIFAR's images are called 00000, which pandas would read as a number.
        as_texts = dict.fromkeys(NAMES, str)
        table = (
            pd.read_parquet(require(path)) if path.suffix == ".parquet" else pd.read_csv(require(path), dtype=as_texts)
        )
    except (ValueError, OSError) as error:
        raise ClipnError(f"{path}: cannot be read ({' '.join(str(error).split())}); save it again") from error
    return {str(name): table[name].tolist() for name in table}


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
