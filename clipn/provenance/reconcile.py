"""Which record tells of a file as it is: the local one, or one that travelled with results."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clipn.provenance.hash_cache import Ledger
from clipn.provenance.records import JobRecord, read_records, unfinished, write_record
from clipn.provenance.stage_files import read_record_file
from clipn.provenance.stages import RECORD_FILES, Stage
from clipn.provenance.timestamps import date


@dataclass
class Records:
    """All records that there are of a project.

    Attributes:
        ledger: of the project.
        local: those that Snakemake reads, by path.
        begun: files whose job has not ended.
        arrived: records that came from elsewhere since the last look, by path.
        arrived_files: sha256 of their files, by path.
        known_files: files of records that this machine has written or read before.
    """

    ledger: Ledger
    local: dict[str, JobRecord]
    begun: set[str]
    arrived: dict[str, list[JobRecord]] = field(default_factory=lambda: defaultdict(list))
    arrived_files: dict[str, str] = field(default_factory=dict)
    known_files: list[Path] = field(default_factory=list)

    @cached_property
    def copies(self) -> dict[str, list[JobRecord]]:
        """Records in the known files, which are read only if a local one is missing."""
        return _by_path(read_record_file(file).records for file in self.known_files)

    def keep(self, path: str, record: JobRecord) -> None:
        """Write a local record, if it is not there like this."""
        if self.local.get(path) != record:
            write_record(self.ledger.root, path, record)
            self.local[path] = record


def all_known(ledger: Ledger, stages: list[Stage]) -> Records:
    """Read the local records, and the files of all studies, as the copies at the short paths may be those of any.

    Of several records of a file, that of its own one of the `stages` comes first.
    """
    owners = {stage.records: stage for stage in stages}
    found = Records(ledger, read_records(ledger.root), unfinished(ledger.root))
    for file in sorted(ledger.root.glob(RECORD_FILES)):
        path = str(file.relative_to(ledger.root))
        sha256 = ledger.sha256(path)
        if ledger.written.get(path) == sha256:
            found.known_files.append(file)
            continue
        travelled = read_record_file(file)
        for name, record in travelled.records.items():
            own = path in owners and owners[path].has(name)
            found.arrived[name].insert(0 if own else len(found.arrived[name]), record)
        found.arrived_files[path] = str(sha256)
        ledger.settings |= travelled.settings
        ledger.modules |= travelled.modules
    return found


def settle(path: str, records: Records, trusting: bool) -> bool:
    """Choose the record of a file, or of one that is not here, and keep it; False if none tells of the file as it is.

    Args:
        path: of the file.
        records: what arrived goes before what is local.
        trusting: take a file for what its job left, though it may have changed before anyone looked.
    """
    now, local = records.ledger.sha256(path), records.local.get(path)
    local = local and _looked_at(path, local, records.ledger, trusting)
    chosen = next((record for record in _candidates(path, local, records) if now in (None, record.sha256)), None)
    if chosen is None:
        return False
    if local and _told(local) == _told(chosen):
        chosen = local
    elif chosen is not local:
        ended = (records.ledger.root / path).lstat().st_mtime if now else 0.0
        chosen = replace(chosen, started=ended, ended=ended)
    records.keep(path, chosen)
    return True


def _by_path(several: Iterator[dict[str, JobRecord]]) -> dict[str, list[JobRecord]]:
    found = defaultdict(list)
    for records in several:
        for path, record in records.items():
            found[path].append(record)
    return found


def _candidates(path: str, local: JobRecord | None, records: Records) -> Iterator[JobRecord]:
    yield from records.arrived.get(path, [])
    if local:
        yield local
    yield from records.copies.get(path, [])


def _told(record: JobRecord) -> tuple[Any, ...]:
    return record.content, record.sha256, record.accepted


def _looked_at(path: str, record: JobRecord, ledger: Ledger, trusting: bool) -> JobRecord:
    """A record with the hash of its file, the first time, if the file is still as its job left it.

    Inputs that Snakemake did not hash are hashed if they are older than the job.
    """
    if record.sha256 or ledger.sha256(path) is None:
        return record
    if not trusting and (ledger.root / path).lstat().st_mtime != record.ended:
        return record
    started = int(record.started * 1e9)
    hashes = {name: sha256 for name in record.inputs if (sha256 := ledger.sha256(name))}
    untouched = {name: hashes[name] for name in hashes.keys() - record.hashes if date(ledger.root / name) <= started}
    return replace(record.with_hashes(untouched), sha256=ledger.sha256(path), settings=ledger.running)


def changed_inputs(
    record: JobRecord, records: Mapping[str, JobRecord], ledger: Ledger
) -> dict[str, tuple[str, str | None]]:
    """Inputs that are not those that the job read: sha256 then and now; None: nobody knows.

    Args:
        record: of the job.
        records: of all files, by path.
        ledger: of the project; a file that is away and has no record changes nothing.
    """
    now = {name: _sha256(name, records, ledger) for name in record.hashes if name in records or ledger.sha256(name)}
    return {name: (record.hashes[name], sha256) for name, sha256 in now.items() if sha256 != record.hashes[name]}


def void_paths(records: Mapping[str, JobRecord], ledger: Ledger, begun: AbstractSet[str]) -> set[str]:
    """Files that Snakemake shall make anew, should anything need them, whatever their dates are.

    Args:
        records: by path.
        ledger: of the project.
        begun: files whose job has not ended; Snakemake makes them anew by itself, and what follows.
    """
    changed = {path: changed_inputs(record, records, ledger).keys() for path, record in records.items()}
    return {path for path, names in changed.items() if path not in begun and names - begun}


def _sha256(path: str, records: Mapping[str, JobRecord], ledger: Ledger) -> str | None:
    return ledger.sha256(path) or records[path].sha256
