"""Dates that tell the truth: Snakemake compares times of modification, this project contents.

Copies, checkouts and pulls leave files with dates in any order. A result that was made from its inputs as they are now
is given a date no older than theirs, and one that was made from others a date older than theirs; then Snakemake remakes
exactly the second kind, and reads no file to find out. It counts the file with the time that a job took as an output,
so that one gets the same date. Only dates of results are changed, never those of their sources.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from graphlib import TopologicalSorter
from pathlib import Path

from clipn.ledger import Ledger
from clipn.provenance import JobRecord

SECOND = 1_000_000_000


def correct_dates(records: Mapping[str, JobRecord], ledger: Ledger, begun: AbstractSet[str]) -> None:
    """Correct the dates of all files that have a record, inputs first.

    Args:
        records: by path of the output.
        ledger: hashes of the files as they are now.
        begun: files whose job has not ended; they and what is made from them keep their dates.
    """
    graph = {path: record.inputs for path, record in records.items()}
    for path in TopologicalSorter(graph).static_order():
        if path in records and path not in begun:
            _correct(path, records[path], ledger, begun)


def _correct(path: str, record: JobRecord, ledger: Ledger, begun: AbstractSet[str]) -> None:
    present = [name for name in record.inputs if ledger.sha256(name)]
    if ledger.sha256(path) is None or not present or not begun.isdisjoint(present):
        return
    as_read = {record.hashes[name] == ledger.sha256(name) if name in record.hashes else None for name in present}
    dates = [date(ledger.root / name) for name in present]
    for file in (path, *(name for name in record.benchmarks if (ledger.root / name).is_file())):
        own = (ledger.root / file).lstat().st_mtime_ns
        if False in as_read and own >= max(dates):
            ledger.keep_date(file, min(dates) - SECOND)
        elif as_read == {True} and own < max(dates):
            ledger.keep_date(file, max(dates))


def date(path: Path) -> int:
    """Time of modification in nanoseconds, of a link or of what it leads to, whichever is later, as for Snakemake."""
    return max(path.lstat().st_mtime_ns, path.stat().st_mtime_ns)
