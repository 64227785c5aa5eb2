"""The look at all results before and after a run: every file is the one that its record tells of, or the run stops.

Snakemake trusts a file without a record, and does not notice an edited one. So records that travelled with the results
are taken over where the file is the one they tell of, or is not here; and what nothing vouches for is named.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clipn import fingerprint
from clipn.absent import void_records
from clipn.dates import correct_dates, date
from clipn.errors import ClipnError
from clipn.ledger import Ledger
from clipn.provenance import JobRecord, read_records, unfinished, write_record
from clipn.record_files import FILES, read_record_file, write_record_files
from clipn.stages import Stage, load_stages

NAMED = 3
"""Files that a message names."""

trusting = False
"""Set by `clipn accept`, which gives records to files that have none."""


@dataclass
class _Looked:
    """What one look found.

    Attributes:
        ours: local records by path, as they are corrected.
        news: records that came from elsewhere since the last look.
        old_files: files of records that this machine has written or read before.
        read: sha256 of the others of the study, by path.
        begun: files whose job has not ended.
    """

    ours: dict[str, JobRecord]
    news: dict[str, list[JobRecord]]
    old_files: list[Path]
    read: dict[str, str]
    begun: set[str]

    @cached_property
    def copies(self) -> dict[str, list[JobRecord]]:
        """Records in the old files, which are read only if a record is missing."""
        records = defaultdict(list)
        for file in self.old_files:
            for path, record in read_record_file(file).records.items():
                records[path].append(record)
        return records

    def keep(self, path: str, record: JobRecord, ledger: Ledger) -> None:
        """Write a local record."""
        write_record(ledger.root, path, record)
        self.ours[path] = record


def look(study: str, settings: dict[str, Any], expected: Collection[str], ledger: Ledger) -> None:
    """Take over the records that came with results, check every result, and write down what jobs have made since.

    Args:
        study: name of the active study.
        settings: all its settings.
        expected: paths of all files that its rules make.
        ledger: of the project.

    Raises:
        ClipnError: a file is not the one that was made, or there is no record of how it was made.
    """
    root, stages = ledger.root, load_stages(ledger.root, study)
    found = _Looked(read_records(root), defaultdict(list), [], {}, unfinished(root))
    _read_travelled(_home(study), found, ledger)
    known = found.ours.keys() | found.news.keys()
    if not known.issuperset(expected):
        known |= found.copies.keys()
    active = [path for path in known if path.startswith(_home(study)) or any(stage.has(path) for stage in stages)]
    ledger.read({*active, *(name for path in active if path in found.ours for name in found.ours[path].inputs)})
    ledger.save()
    changed = sorted(path for path in active if path not in found.begun and not _settle(path, found, ledger))
    if changed:
        raise ClipnError(_changed_message(changed))
    if not trusting:
        _require_records(expected, found, root, stages)
    for path, record in list(void_records(expected, found.ours, ledger)):
        found.keep(path, record, ledger)
    correct_dates({path: found.ours[path] for path in active if path in found.ours}, ledger, found.begun)
    _remember(settings, found, ledger)
    whole = {path: record for path, record in found.ours.items() if path not in found.begun}
    write_record_files(stages, _home(study), whole, ledger)
    ledger.save()


def settings_key(settings: dict[str, Any]) -> str:
    """Short hash of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _home(study: str) -> str:
    return f"results/studies/{study}/"


def _read_travelled(home: str, found: _Looked, ledger: Ledger) -> None:
    """Read the files of records of all studies, as the copies at the short paths may be those of any."""
    for file in sorted(ledger.root.glob(FILES)):
        path = str(file.relative_to(ledger.root))
        sha256 = ledger.sha256(path)
        if ledger.written.get(path) == sha256:
            found.old_files.append(file)
            continue
        travelled = read_record_file(file)
        for name, record in travelled.records.items():
            found.news[name].append(record)
        ledger.settings |= travelled.settings
        ledger.modules |= travelled.modules
        if path.startswith(home):
            found.read[path] = str(sha256)


def _settle(path: str, found: _Looked, ledger: Ledger) -> bool:
    """Choose the record of a file and keep it; False if none tells of the file as it is."""
    now, ours = ledger.sha256(path), found.ours.get(path)
    ours = ours and _looked_at(path, ours, ledger)
    known = next((record for record in _candidates(path, ours, found) if now in (None, record.sha256)), None)
    if known is None:
        return False
    if ours and _told(ours) == _told(known):
        known = ours
    elif known is not ours:
        ended = (ledger.root / path).lstat().st_mtime if now else 0.0
        known = replace(known, started=ended, ended=ended)
    if known != found.ours.get(path):
        found.keep(path, known, ledger)
    return True


def _candidates(path: str, ours: JobRecord | None, found: _Looked) -> Iterator[JobRecord]:
    yield from found.news.get(path, [])
    if ours:
        yield ours
    yield from found.copies.get(path, [])


def _told(record: JobRecord) -> tuple[Any, ...]:
    return record.content, record.sha256, record.accepted


def _looked_at(path: str, record: JobRecord, ledger: Ledger) -> JobRecord:
    """A record with the hash of its file, the first time, if the file is still as its job left it."""
    if record.sha256 or ledger.sha256(path) is None:
        return record
    if not trusting and (ledger.root / path).lstat().st_mtime != record.ended:
        return record
    started = int(record.started * 1e9)
    read = {name: sha256 for name in record.inputs if (sha256 := ledger.sha256(name))}
    before = {name: read[name] for name in read.keys() - record.hashes if date(ledger.root / name) <= started}
    return replace(record.with_hashes(before), sha256=ledger.sha256(path), settings=ledger.running)


def _require_records(expected: Collection[str], found: _Looked, root: Path, stages: list[Stage]) -> None:
    unknown = [path for path in expected if path not in found.ours and path not in found.begun]
    present = sorted(path for path in unknown if (root / path).exists())
    if present:
        owners = [stage.name for stage in stages if any(stage.has(path) for path in present)]
        pull = " ".join(["dvc pull", *(owners if len(owners) < len(stages) else [])])
        raise ClipnError(
            f"{_named(present)}: no record says how this was made, so nobody can tell whether it still holds; get the "
            f"records with `{pull}`, or remove what has none and it is made anew, or vouch for it with "
            "`clipn accept all`"
        )


def _changed_message(paths: list[str]) -> str:
    return (
        f"{_named(paths)}: not as it was made; get it back with `dvc checkout --force {paths[0]}`, or remove it and it "
        "is made anew"
    )


def _named(paths: list[str]) -> str:
    more = len(paths) - NAMED
    return f"{', '.join(paths[:NAMED])}{f' and {more} more' if more > 0 else ''}"


def _remember(settings: dict[str, Any], found: _Looked, ledger: Ledger) -> None:
    """Keep what was read, and what the run that begins now runs under; forget what no record refers to."""
    ledger.written |= found.read
    ledger.running = settings_key(settings)
    keys = {ledger.running, *(record.settings for record in found.ours.values())}
    codes = {*fingerprint.closures, *(record.code for record in found.ours.values())}
    modules = ledger.modules | fingerprint.closures
    known = ledger.settings | {ledger.running: settings}
    ledger.settings = {key: known[key] for key in known.keys() & keys}
    ledger.modules = {code: modules[code] for code in modules.keys() & codes}
    ledger.sources = fingerprint.used_sources
