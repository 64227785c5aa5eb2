"""How a part of the check is measured: row by row, so that a row that fails takes no other with it."""

import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

Row = dict[str, Any]
Rows = Iterator[tuple[str, Callable[[], Row]]]
"""Names of rows, and what measures each."""
WARM_UP, REPEATS = 2, 7


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        architecture: open_clip name or JSON file.
        samples: images with captions for training and encoding.
        batch: of training.
        large: the same by several passes.
        epochs: of training; crops are drawn anew in each.
        images: encoded at once.
        product: side of the matrices whose product shows what the device can do.
        captions: of the demo's world.
        id_images: of the demo's ID dataset, and of its OOD dataset.
        workers: processes that decode.
    """

    architecture: str
    samples: int
    batch: int
    large: int
    epochs: int
    images: tuple[int, ...]
    product: int
    captions: int
    id_images: int
    workers: int


SIZES = {
    "full": Size("ViT-B-16", 8192, 512, 2048, 4, (256, 1024), 8192, 3000, 300, 16),
    "small": Size("config/architectures/tiny.json", 64, 16, 32, 2, (8, 16), 256, 200, 30, 1),
}


def synchronize(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], Any], device: str, repeats: int = REPEATS) -> float:
    """Median seconds of a call, the first ones left out."""
    seconds = []
    for _ in range(WARM_UP + repeats):
        synchronize(device)
        start = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP:])


def write_rows(rows: Rows, output: Path) -> None:
    """Measure, and write a line of JSON for every row as soon as it is known; a failure is a row with its traceback."""
    start = time.perf_counter()
    with output.open("w", encoding="utf-8") as lines:

        def write(name: str, row: Row) -> None:
            lines.write(json.dumps({"name": name, **row}) + "\n")
            lines.flush()
            sys.stdout.write(f"  {time.perf_counter() - start:6.1f} s  {name}: {_brief(row)}\n")
            sys.stdout.flush()

        try:
            for name, measure in rows:
                write(name, _measured(measure))
        except Exception:  # what all rows need failed; those before are written
            write("preparation", {"failed": traceback.format_exc()})


def _measured(measure: Callable[[], Row]) -> Row:
    start = time.perf_counter()
    try:
        row = measure()
    except Exception:  # whatever it is, the other rows shall still be measured
        row = {"failed": traceback.format_exc()}
    return {"measured_in": round(time.perf_counter() - start, 2), **row}


def _brief(row: Row) -> str:
    if "failed" in row:
        return str(row["failed"])
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
    )
