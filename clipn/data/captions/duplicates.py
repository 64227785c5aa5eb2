"""Texts that occurred before, found in constant memory: hashes in buckets on disk, compared one bucket at a time."""

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BUCKETS = 64  # `repeated` holds the records of one bucket in memory
RECORD = np.dtype([("hash", "<u8", 2), ("row", "<i8")])
"""128 bits, so that different texts are told apart at any number of rows that anybody has."""


class Occurrences:
    """Texts by their row, counted from 0 in the order in which they are added.

    Args:
        folder: an empty one, for files of 24 bytes per text in all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = 0

    def add(self, texts: pa.StringArray) -> None:
        """Append texts."""
        digests = [blake2b(text, digest_size=16).digest() for text in texts.cast(pa.binary()).to_pylist()]
        records = np.empty(len(texts), RECORD)
        records["hash"] = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        records["row"] = np.arange(self._rows, self._rows + len(texts))
        self._rows += len(texts)
        buckets = records["hash"][:, 0] % BUCKETS
        for bucket in range(BUCKETS):
            with self._bucket(bucket).open("ab") as stream:
                stream.write(records[buckets == bucket].tobytes())

    def repeated(self) -> NDArray[np.bool_]:
        """Whether each text (rows,) occurred at an earlier row; one byte per row, the rest bucket by bucket."""
        repeated = np.zeros(self._rows, bool)
        for bucket in range(BUCKETS if self._rows else 0):
            records = np.fromfile(self._bucket(bucket), RECORD)
            records = records[np.lexsort(records["hash"].T)]  # stable: equal hashes stay in the order of rows
            same = (records["hash"][1:] == records["hash"][:-1]).all(axis=1)
            repeated[records["row"][1:][same]] = True
        return repeated

    def _bucket(self, bucket: int) -> Path:
        return self._folder / f"{bucket:02d}.hashes"
