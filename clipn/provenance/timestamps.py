"""Timestamps that do not mislead: for Snakemake a newer input makes a result stale, here another one does.

Copies, checkouts and pulls leave files with times in any order. So a result that was made from its inputs as they are
now is given a time no older than theirs, and Snakemake need not read a file to find out that nothing changed. Of a file
that is not here, Snakemake asks what was made from it, and it counts the file with the time that a job took as an
output; so times are passed on through both. Only times of results are changed, never those of their sources.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from graphlib import TopologicalSorter
from pathlib import Path

from clipn.provenance.hash_cache import HashCache
from clipn.provenance.records import JobRecord


def correct_timestamps(records: Mapping[str, JobRecord], cache: HashCache, incomplete: AbstractSet[str]) -> None:
    """Correct the times of all files that have a record, inputs first.

    Args:
        records: by path of the output; those of stale outputs are left alone.
        cache: hashes of the project's files.
        incomplete: files whose job has not ended; they and what is made from them keep their times.
    """
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
        elif newest:
            times[path] = newest


def timestamp(path: Path) -> int:
    """Time of modification in nanoseconds, of a link or of what it leads to, whichever is later, as for Snakemake."""
    return max(path.lstat().st_mtime_ns, path.stat().st_mtime_ns)
