"""Timestamps that do not mislead: for Snakemake a newer input makes a result stale, here another one does.

Copies, checkouts and pulls leave files with times in any order. So a result that was made from its inputs as they are
now is given a time no older than theirs, and Snakemake need not read a file to find out that nothing changed. Of a file
that is not here, Snakemake asks what was made from it, and it counts the file with the time that a job took as an
output; so times are passed on through both. Only times of results are changed, never those of their sources.

Snakemake fails a job whose output is older than an input, as it must be if the input's time lies in the future. So
results in the future are given times that are past, and a source that is dated there stops the run.
"""

import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path

from clipn.errors import ClipnError
from clipn.provenance.records import JobRecord
from clipn.provenance.state.hash_cache import HashCache

STEP = 1_000
"""Nanoseconds that Snakemake still tells apart."""
AHEAD = 60_000_000_000
"""Nanoseconds that the clock of a file server may be ahead."""


def correct_timestamps(records: Mapping[str, JobRecord], cache: HashCache, incomplete: AbstractSet[str]) -> None:
    """Correct the times of all files that have a record, inputs first.

    Args:
        records: by path of the output; stale outputs keep their times, but for those in the future.
        cache: hashes of the project's files.
        incomplete: files whose job has not ended; so do they, and what is made from them.

    Raises:
        ClipnError: the time of a source lies in the future.
    """
    now = time.time_ns()
    _bring_to_the_past({file for path in records for file in (path, *records[path].benchmarks)}, cache, now)
    graph = {path: record.inputs for path, record in records.items()}
    times: dict[str, int] = {}
    for path in TopologicalSorter(graph).static_order():
        record = records.get(path)
        read = [name for name in record.inputs if name in times] if record else []
        newest = max((times[name] for name in read), default=0)
        # A new time says that the inputs are those that the job read, so each of their hashes must be known.
        proven = record and not record.stale and all(name in record.hashes for name in read)
        if record and proven and path not in incomplete and incomplete.isdisjoint(record.inputs):
            for file in (path, *record.benchmarks):
                if (cache.root / file).exists() and (cache.root / file).lstat().st_mtime_ns < newest:
                    cache.set_timestamp(file, newest)
        if cache.sha256(path):
            times[path] = timestamp(cache.root / path)
            _require_past(path, times[path], now)
        elif newest:
            times[path] = newest


def _bring_to_the_past(files: Iterable[str], cache: HashCache, now: int) -> None:
    """Give files whose times lie in the future the times just before now, in their order."""
    times = {file: (cache.root / file).lstat().st_mtime_ns for file in files if (cache.root / file).exists()}
    future = sorted({then for then in times.values() if then > now}, reverse=True)
    corrected = {then: now - rank * STEP for rank, then in enumerate(future)}
    for file, then in times.items():
        if then in corrected:
            cache.set_timestamp(file, corrected[then])


def _require_past(path: str, then: int, now: int) -> None:
    """Stop at a source, or at a link to one, whose time lies in the future."""
    if then > now + AHEAD:
        date = datetime.fromtimestamp(then / 1e9).isoformat(" ", "seconds")
        raise ClipnError(f"{path}: dated {date}, in the future, so that jobs that read it fail; `touch {path}`")


def timestamp(path: Path) -> int:
    """Time of modification in nanoseconds, of a link or of what it leads to, whichever is later, as for Snakemake."""
    return max(path.lstat().st_mtime_ns, path.stat().st_mtime_ns)
