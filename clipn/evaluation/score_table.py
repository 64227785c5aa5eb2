"""The scores of a run, checked when they are read: metrics of a column that holds something else would mislead."""

from pathlib import Path

import numpy as np
import pandas as pd

from clipn.data.cleaning import CLEAN
from clipn.errors import ClipnError
from clipn.files import require
from clipn.scores import CALIBRATION, COLUMNS, SCORES

RULE = "accepts_"
"""How the column of a threshold-free rule begins; the rest is its name."""
REMEDY = "delete it and score the run again"


def read_scores(path: Path) -> pd.DataFrame:
    """Scores as written by `clipn.evaluation.scoring.score_pairs`.

    Raises:
        ClipnError: missing or damaged file, without scores, with a row that is there twice, or with a column that is
            not of its type or holds no number in some rows of an ID dataset.
    """
    try:
        table = pd.read_parquet(require(path))
    except (OSError, ValueError) as error:
        raise ClipnError(f"{path}: not a Parquet file; {REMEDY}") from error
    require_scores(path, table)
    return table


def require_scores(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table, read from `path`, of which some metric would not be what it is called; errors of `read_scores`.

    NaN may stand for a method that others did not compute under the classes of an ID dataset, for all of its images.
    """
    if not {"id", "dataset"} <= set(table.columns):
        raise ClipnError(f"{path}: no columns `id` and `dataset`; {REMEDY}")
    if "prediction" in table and "label" not in table:
        raise ClipnError(f"{path}: no column `label`, which predictions are compared with; {REMEDY}")
    if "row" in table and (repeated := table[table.duplicated(["id", "dataset", "row"])]).size:
        first = repeated.iloc[0]
        raise ClipnError(f"{path}: row {first['row']} of {first['dataset']} is there twice; {REMEDY}")
    columns = list(map(str, table))
    scored = [name for name in columns if name not in COLUMNS and not name.startswith((CLEAN, RULE))]
    if not scored:
        raise ClipnError(f"{path}: holds no scores of any method; {REMEDY}")
    types = {name: table[name].dtype for name in columns}
    floats = (*scored, *(name for name in CALIBRATION if name in types))
    wrong_types = {name: "float64" for name in floats if types[name] != np.float64}
    wrong_types |= {name: "bool" for name in columns if name.startswith(RULE) and types[name] != np.bool_}
    # pandas has integers of its own, which may be missing.
    integers = {name for name, kind in types.items() if isinstance(kind, np.dtype) and kind.kind in "iu"}
    wrong_types |= {name: "int32" for name in ("label", "prediction") if name in types.keys() - integers}
    for name, expected in wrong_types.items():
        raise ClipnError(f"{path}: {name} is a column of {types[name]}, not of {expected}; {REMEDY}")
    for name in scored:
        wrong = ~np.isfinite(table[name])
        if name not in SCORES and not table[name].isna().all():
            wrong &= ~table[name].isna().groupby(table["id"]).transform("all")
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            where = f"row {row + 1}, an image of {table['dataset'].iloc[row]}"
            raise ClipnError(f"{path}: {name} holds no finite number in {where}; score the run again")
