"""Rows of detections as CSV, Parquet and JSON, written as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipn.evaluation.detect import Detection
from clipn.files import atomic
from clipn.report.escaping import csv_text, unicode

SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("decision", pa.string()),
        ("best_class", pa.string()),
        ("share", pa.float64()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("error", pa.string()),
    ]
)
"""Columns of all three: a row per image, in the order of the images."""
GROUP = 10_000
"""Rows that a Parquet file collects before it writes them."""

Row = dict[str, Any]
Write = Callable[[Row], object]


@contextmanager
def written(outputs: Mapping[str, Path]) -> Iterator[Callable[[Detection], None]]:
    """A function that writes a row to all of `outputs`, keys of `WRITERS`; each appears when the block ends well."""
    with ExitStack() as stack:
        writers = [stack.enter_context(WRITERS[form](path)) for form, path in outputs.items()]

        def write(detection: Detection) -> None:
            values = {name: getattr(detection, name) for name in SCHEMA.names}
            row = {name: unicode(value) if isinstance(value, str) else value for name, value in values.items()}
            for writer in writers:
                writer(row)

        yield write


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, SCHEMA.names, lineterminator="\n")
        writer.writeheader()

        def write(row: Row) -> None:
            writer.writerow({name: csv_text(value) if isinstance(value, str) else value for name, value in row.items()})

        yield write


@contextmanager
def _json(path: Path) -> Iterator[Write]:
    """A list of objects, one per line."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        separator = "[\n"

        def write(row: Row) -> None:
            nonlocal separator
            stream.write(separator + json.dumps(row, ensure_ascii=False, allow_nan=False))
            separator = ",\n"

        yield write
        stream.write("[]\n" if separator == "[\n" else "\n]\n")


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    waiting: list[Row] = []
    with atomic(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:

        def write(row: Row) -> None:
            waiting.append(row)
            if len(waiting) == GROUP:
                flush()

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema=SCHEMA))
            waiting.clear()

        yield write
        flush()


WRITERS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {"csv": _csv, "json": _json, "parquet": _parquet}
