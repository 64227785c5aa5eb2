"""What captioned images show, as far as their sources tell."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.files import require


def read_classes_of(index: Path, captions: Path, class_sources: Collection[str]) -> NDArray[np.int64]:
    """A number (n,) for each sample of a shards' index; samples of one class have the same.

    Args:
        index: of the shards.
        captions: Parquet that they were built from.
        class_sources: in which the folder of an image names its class, also across them; of others, each image is a
            class, and all its captions are of it.

    Raises:
        ClipnError: a file is missing, or the index has a key that the captions lack.
    """
    table = pq.read_table(require(captions), columns=["key", "source", "image"]).to_pandas().set_index("key")
    keys = pq.read_table(require(index), columns=["key"])["key"].to_pandas()
    if unknown := set(keys) - set(table.index):
        raise ClipnError(f"{index}: sample {min(unknown)} is not among {captions}; build the shards again")
    rows = table.loc[keys]
    folders = rows["image"].str.rpartition("/")[0].str.rpartition("/")[2]
    labels = folders.where(rows["source"].isin([*class_sources]), rows["source"] + "/" + rows["image"])
    return np.asarray(pd.factorize(labels)[0], np.int64)
