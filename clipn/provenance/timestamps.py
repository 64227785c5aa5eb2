"""Dates that do not mislead: for Snakemake a newer input makes a result stale, here another one does.

Copies, checkouts and pulls leave files with dates in any order. So a result that was made from its inputs as they are
now is given a date no older than theirs, and Snakemake need not read a file to find out that nothing changed. Of a file
that is away it asks what was made from it, and it counts the file with the time that a job took as an output; so dates
are passed on through both. Only dates of results are changed, never those of their sources.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from graphlib import TopologicalSorter
from pathlib import Path

from clipn.provenance.hash_cache import Ledger
from clipn.provenance.records import JobRecord


def correct_dates(records: Mapping[str, JobRecord], ledger: Ledger, begun: AbstractSet[str]) -> None:
    """Correct the dates of all files that have a record, inputs first.

    Args:
        records: by path of the output; void ones are left alone.
        ledger: of the project.
        begun: files whose job has not ended; they and what is made from them keep their dates.
    """
    graph = {path: record.inputs for path, record in records.items()}
    dates: dict[str, int] = {}
    for path in TopologicalSorter(graph).static_order():
        record = records.get(path)
        newest = max((dates[name] for name in record.inputs if name in dates), default=0) if record else 0
        if record and path not in begun and begun.isdisjoint(record.inputs) and _is_proven(record, dates):
            _make_no_older(path, record, newest, ledger)
        if ledger.sha256(path):
            dates[path] = date(ledger.root / path)
        elif newest:
            dates[path] = newest


def date(path: Path) -> int:
    """Time of modification in nanoseconds, of a link or of what it leads to, whichever is later, as for Snakemake."""
    return max(path.lstat().st_mtime_ns, path.stat().st_mtime_ns)


def _is_proven(record: JobRecord, dates: Mapping[str, int]) -> bool:
    """Whether it is known that all inputs are those that the job read."""
    return not record.void and all(name in record.hashes for name in record.inputs if name in dates)


def _make_no_older(path: str, record: JobRecord, newest: int, ledger: Ledger) -> None:
    here = [path] if ledger.sha256(path) else []
    for file in (*here, *(name for name in record.benchmarks if (ledger.root / name).is_file())):
        if (ledger.root / file).lstat().st_mtime_ns < newest:
            ledger.keep_date(file, newest)
