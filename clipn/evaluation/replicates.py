"""Metrics in resamples of the images, kept beside those of the images themselves."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.errors import ClipnError
from clipn.files import atomic, require

NAMES = ["id", "ood", "ood_version", "prompts", "method", "measure"]
VALUES = "values"


def write_replicates(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of names and `values`, (resamples,) float32 fractions, as Parquet."""
    # Columns are named here, as without rows there is nothing to infer them from.
    table = pd.DataFrame(list(rows), columns=[*NAMES, VALUES])
    with atomic(path) as temporary:
        table.to_parquet(temporary, compression="zstd", index=False)


def read_replicates(path: Path) -> pd.DataFrame:
    """Read what `write_replicates` wrote.

    Raises:
        ClipnError: missing or damaged file.
    """
    try:
        return pd.read_parquet(require(path), columns=[*NAMES, VALUES])
    except (OSError, ValueError) as error:
        raise ClipnError(f"{path}: not a file of replicates; delete it and evaluate the run again") from error
