"""Which record tells of a file as it is, the local one or an imported one, and which outputs are stale."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from clipn.provenance.records import (
    JobRecord,
    incomplete_outputs,
    read_records,
    remove_odd_records,
    with_arithmetic,
    write_record,
)
from clipn.provenance.stage_files import read_stage_records
from clipn.provenance.stages import RECORD_FILES, Stage
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.provenance.timestamps import timestamp


@dataclass
class Records:
    """All records that there are of a project.

    Attributes:
        cache: hashes of the project's files.
        state: of earlier runs; gets the modules that imported records refer to.
        local: records that Snakemake reads, by path.
        incomplete: files whose job has begun and not ended.
        imported: records that came from elsewhere since the last check, by path.
        imported_files: sha256 of their files, by path.
        shipped_files: files of records that this machine has written or read before.
    """

    cache: HashCache
    state: RunState
    local: dict[str, JobRecord]
    incomplete: set[str]
    imported: dict[str, list[JobRecord]] = field(default_factory=lambda: defaultdict(list))
    imported_files: dict[str, str] = field(default_factory=dict)
    shipped_files: list[Path] = field(default_factory=list)

    @cached_property
    def shipped(self) -> dict[str, list[JobRecord]]:
        """Records in the shipped files, which are read only if no other record tells of a file."""
        found = defaultdict(list)
        for file in self.shipped_files:
            for path, record in read_stage_records(file).records.items():
                found[path].append(record)
        return found

    def keep(self, path: str, record: JobRecord) -> None:
        """Write a local record, if it is not there like this."""
        if self.local.get(path) != record:
            write_record(self.cache.root, path, record)
            self.local[path] = record


def collect_records(stages: list[Stage], cache: HashCache, state: RunState) -> Records:
    """Read the local records, and the files of records of all studies; local ones that cannot be read are removed.

    Args:
        stages: of the active study; of several imported records of a file, that of the file's own stage comes first.
        cache: hashes of the project's files.
        state: of earlier runs.
    """
    owners = {stage.records: stage for stage in stages}
    found = Records(cache, state, read_records(cache.root), incomplete_outputs(cache.root))
    remove_odd_records(cache.root, found.local)
    # Of all studies, as the copies at the short paths may be those of any.
    for file in sorted(cache.root.glob(RECORD_FILES)):
        path = str(file.relative_to(cache.root))
        sha256 = cache.sha256(path)
        if state.written.get(path) == sha256:
            found.shipped_files.append(file)
            continue
        imported = read_stage_records(file)
        for name, record in imported.records.items():
            own = path in owners and owners[path].has(name)
            found.imported[name].insert(0 if own else len(found.imported[name]), record)
        found.imported_files[path] = str(sha256)
        state.modules |= imported.modules
    return found


def resolve_record(path: str, records: Records, accept: bool) -> bool:
    """Choose the record of a file, or of one that is not here, and keep it; False if none tells of the file as it is.

    Args:
        path: of the file.
        records: imported ones go before the local one.
        accept: take a file for what its job left, though it may have changed before anyone hashed it.
    """
    now, local = records.cache.sha256(path), records.local.get(path)
    local = local and with_arithmetic(_with_output_hash(path, local, records, accept), records.cache.root)
    nearest = [*records.imported.get(path, []), *([local] if local else [])]
    # Shipped files hold whole histories, so they are parsed only where nothing nearer tells of the file.
    chosen = _first_of(nearest, now) or _first_of(records.shipped.get(path, []), now)
    if chosen is None:
        return False
    if local and local.same_job(chosen):
        # It has the times, which no imported record has.
        chosen = replace(local, made_with=local.made_with or chosen.made_with)
    elif chosen is not local:
        ended = (records.cache.root / path).lstat().st_mtime if now else 0.0
        chosen = replace(chosen, started=ended, ended=ended)
    records.keep(path, chosen)
    return True


def _first_of(records: Iterable[JobRecord], sha256: str | None) -> JobRecord | None:
    """The first record of a file with this hash; of a file that is not here, the first."""
    return next((record for record in records if sha256 in (None, record.sha256)), None)


def _with_output_hash(path: str, record: JobRecord, records: Records, accept: bool) -> JobRecord:
    """A record with the hash of its file, the first time, if the file is still as its job left it."""
    cache = records.cache
    if record.sha256 or cache.sha256(path) is None:
        return record
    if not accept and (cache.root / path).lstat().st_mtime != record.ended:
        return record
    # Snakemake hashes no large inputs. One that is older than the job is still what the job read.
    started = int(record.started * 1e9)
    hashes = {name: sha256 for name in record.inputs if (sha256 := cache.sha256(name))}
    older = {name for name in hashes.keys() - record.hashes if timestamp(cache.root / name) <= started}
    completed = record.with_hashes({name: hashes[name] for name in older})
    return replace(completed, sha256=cache.sha256(path))


def changed_inputs(
    record: JobRecord, records: Mapping[str, JobRecord], cache: HashCache
) -> dict[str, tuple[str, str | None]]:
    """Inputs that are not those that the job read: sha256 then and now; None: nobody knows.

    Args:
        record: of the job.
        records: of all files, by path.
        cache: hashes of the project's files; a file that is not here and has no record changes nothing.
    """
    changed = {}
    for name, then in record.hashes.items():
        now = cache.sha256(name)
        if now is None and name not in records:
            continue
        now = now or records[name].sha256
        if now != then:
            changed[name] = then, now
    return changed


def stale_outputs(records: Mapping[str, JobRecord], cache: HashCache, incomplete: AbstractSet[str]) -> set[str]:
    """Files that were made from other inputs than those that are here, or would be here if they were made.

    Snakemake shall re-run their jobs, should anything need the files, whatever their timestamps are.

    Args:
        records: by path.
        cache: hashes of the project's files.
        incomplete: files whose job has not ended; Snakemake re-runs their jobs by itself, and those that follow.
    """
    # Outputs of one job share its content (`read_records`), and each of its inputs is looked at once for all of them.
    jobs = {id(record.content): record for record in records.values()}
    changed = {key: changed_inputs(record, records, cache).keys() - incomplete for key, record in jobs.items()}
    return {path for path, record in records.items() if path not in incomplete and changed[id(record.content)]}
