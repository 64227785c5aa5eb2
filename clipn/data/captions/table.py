"""The Parquet table of captions: its columns, and how it is written and read in one stream."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clipn.text.tokenizer import IDS

DESCRIPTIONS = {
    "key": "nine digits, the row in this file",
    "source": "name of the caption source",
    "row": "row in the source, before anything was dropped",
    "image": "path of the image among the source's images",
    "url": "address of the image; null where the source has none",
    "caption": "text, repaired if that was asked for, with single spaces",
    "tokens": "open_clip's BPE ids of the caption, uncut, without start and end",
}
TYPES = dict.fromkeys(DESCRIPTIONS, pa.string()) | {"row": pa.int64(), "tokens": IDS}
SCHEMA = pa.schema([pa.field(name, TYPES[name], metadata={"description": text}) for name, text in DESCRIPTIONS.items()])
COLUMNS: list[str] = SCHEMA.names
UNNUMBERED = SCHEMA.remove(SCHEMA.get_field_index("key"))
ROW_GROUP = 1 << 16
"""Rows that are compressed together."""


def write_captions(path: Path, blocks: Iterable[pa.RecordBatch]) -> None:
    """Number the rows of `blocks`, which are `UNNUMBERED`, and write them; the bytes do not depend on the blocks."""
    start = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for group in _row_groups(blocks):
            # Keys of equal width sort as texts in the order of their rows.
            rows = pa.array(np.arange(start, start + len(group)))
            keys = pc.utf8_lpad(rows.cast(pa.string()), 9, "0")
            writer.write_table(group.add_column(0, SCHEMA.field("key"), keys), ROW_GROUP)
            start += len(group)


def without(path: Path, rows: NDArray[np.bool_]) -> Iterator[pa.RecordBatch]:
    """`UNNUMBERED` blocks of a file, without the rows that are marked."""
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROW_GROUP, columns=UNNUMBERED.names):
            yield batch.filter(pa.array(~rows[start : start + len(batch)]))
            start += len(batch)


def _row_groups(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows of `blocks`, `ROW_GROUP` at a time; the last ones may be fewer."""
    # Groups of a fixed size, since Parquet's bytes depend on how rows are grouped.
    waiting = UNNUMBERED.empty_table()
    for block in blocks:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([block])])
        while len(waiting) >= ROW_GROUP:
            yield waiting[:ROW_GROUP].combine_chunks()
            waiting = waiting[ROW_GROUP:]
    if len(waiting):
        yield waiting.combine_chunks()
