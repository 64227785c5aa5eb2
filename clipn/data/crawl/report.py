"""What a crawl got and what it did not, in numbers that hold no time and no path."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clipn.data.crawl.shards import Shard

ERRORS = 20
"""How many messages a report lists."""


def crawl_report(source: str, rounds: Sequence[Shard], images: pa.Table, trained_on: int | None) -> dict[str, Any]:
    """Counts of a crawl.

    Args:
        source: name of the caption source.
        rounds: outcome of every round; each later one tried the failures of the one before.
        images: those of all rounds, sorted by row.
        trained_on: image-caption samples that the paper trained on.

    Returns:
        Rows, images and their share; the same per round; what failed in the end, by kind and by message; and a hash of
        which images came, the same for every crawl that was given the same files.
    """
    rows, failures = _rows(rounds[0]), rounds[-1].failures
    digest = hashlib.sha256()
    # In batches, so that the text of all rows is never in memory at once.
    for batch in images.select(["row", "sha256"]).to_batches(max_chunksize=10_000):
        pairs = zip(batch["row"].to_pylist(), batch["sha256"].to_pylist(), strict=True)
        digest.update("".join(f"{row} {content}\n" for row, content in pairs).encode())
    report = {
        "source": source, "rows": rows, "images": len(images), "share": _share(len(images), rows),
        "rounds": [
            {"rows": _rows(outcome), "images": len(outcome.images), **count(outcome.failures["kind"])}
            for outcome in rounds
        ],
        "failures": count(failures["kind"]), "errors": dict(list(count(failures["error"]).items())[:ERRORS]),
        "images_sha256": digest.hexdigest(),
    }  # fmt: skip
    if trained_on:
        report["of_paper"] = {"trained_on": trained_on, "share": _share(len(images), trained_on)}
    return report


def count(values: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(values).to_pylist()}
    # Equally frequent ones by name: Arrow gives them in the order of their first rows, which differs between crawls.
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _rows(outcome: Shard) -> int:
    return len(outcome.images) + len(outcome.failures)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6)
