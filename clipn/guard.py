"""The look at all results before and after a run: every file is the one that its record tells of, or the run stops.

Snakemake trusts a file without a record, and does not notice an edited one. So records that travelled with the results
are taken over where the file is the one they tell of, or is not here; and what nothing vouches for is named.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipn import fingerprint
from clipn.dates import correct_dates, date
from clipn.errors import ClipnError
from clipn.files import write_text
from clipn.ledger import Ledger
from clipn.provenance import JobRecord, read_records, unfinished, write_record
from clipn.record_files import FILES, format_records, read_record_file
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
        copies: records in the files that this machine has written or read before.
        begun: files whose job has not ended.
    """

    ours: dict[str, JobRecord]
    news: dict[str, list[JobRecord]]
    copies: dict[str, list[JobRecord]]
    begun: set[str]


def look(study: str, settings: dict[str, Any], expected: Iterable[str], ledger: Ledger) -> None:
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
    found = _Looked(read_records(root), defaultdict(list), defaultdict(list), unfinished(root))
    _read_travelled(found, ledger)
    known = found.ours.keys() | found.news.keys() | found.copies.keys()
    active = [path for path in known if path.startswith(_home(study)) or any(stage.has(path) for stage in stages)]
    ledger.read({*active, *(name for path in active if path in found.ours for name in found.ours[path].inputs)})
    changed = sorted(path for path in active if path not in found.begun and not _settle(path, found, ledger))
    if changed:
        raise ClipnError(_changed_message(changed))
    if not trusting:
        _require_records(expected, found, root, stages)
    correct_dates({path: found.ours[path] for path in active if path in found.ours}, ledger, found.begun)
    _remember(settings, found, ledger)
    for stage in stages:
        _write_travelling(stage, _home(study), found, ledger)
    ledger.save()


def settings_key(settings: dict[str, Any]) -> str:
    """Short hash of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _home(study: str) -> str:
    return f"results/studies/{study}/"


def _read_travelled(found: _Looked, ledger: Ledger) -> None:
    """Read the files of records of all studies, as the copies at the short paths may be those of any."""
    for file in sorted(ledger.root.glob(FILES)):
        path = str(file.relative_to(ledger.root))
        travelled, sha256 = read_record_file(file), ledger.sha256(path)
        records = found.copies if ledger.written.get(path) == sha256 else found.news
        for name, record in travelled.records.items():
            records[name].append(record)
        ledger.settings |= travelled.settings
        ledger.modules |= travelled.modules
        ledger.written[path] = str(sha256)


def _settle(path: str, found: _Looked, ledger: Ledger) -> bool:
    """Choose the record of a file and keep it; False if none tells of the file as it is."""
    now, ours = ledger.sha256(path), found.ours.get(path)
    ours = ours and _looked_at(path, ours, ledger)
    own = [ours] if ours else []
    candidates = (*found.news[path], *own, *found.copies[path])
    known = next((record for record in candidates if now in (None, record.sha256)), None)
    if known is None:
        return False
    if ours and _told(ours) == _told(known):
        known = ours
    elif known is not ours:
        ended = (ledger.root / path).lstat().st_mtime if now else 0.0
        known = replace(known, started=ended, ended=ended)
    if known != found.ours.get(path):
        write_record(ledger.root, path, known)
        found.ours[path] = known
    return True


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


def _require_records(expected: Iterable[str], found: _Looked, root: Path, stages: list[Stage]) -> None:
    unknown = [path for path in expected if path not in found.ours and path not in found.begun]
    present = sorted(path for path in unknown if (root / path).exists())
    if present:
        owners = sorted({stage.name for stage in stages for path in present if stage.has(path)})
        raise ClipnError(
            f"{_named(present)}: no record says how this was made, so nobody can tell whether it still holds; get the "
            f"records with `dvc pull {' '.join(owners)}`, or remove what has none and it is made anew, or vouch for "
            "it with `clipn accept all`"
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
    """Keep what the run that begins now runs under, and forget what no record refers to."""
    ledger.running = settings_key(settings)
    keys = {ledger.running, *(record.settings for record in found.ours.values())}
    codes = {*fingerprint.closures, *(record.code for record in found.ours.values())}
    modules = ledger.modules | fingerprint.closures
    known = ledger.settings | {ledger.running: settings}
    ledger.settings = {key: known[key] for key in known.keys() & keys}
    ledger.modules = {code: modules[code] for code in modules.keys() & codes}


def _write_travelling(stage: Stage, home: str, found: _Looked, ledger: Ledger) -> None:
    """Write the file of records of a stage, if the study has any of its files."""
    made = sorted(path for path, record in found.ours.items() if stage.has(path) and _is_of(home, path, record))
    made = [path for path in made if path not in found.begun and ledger.sha256(path)]
    if not made:
        return
    for folder in stage.folders:
        (ledger.root / folder).mkdir(parents=True, exist_ok=True)
    text = format_records(made, found.ours, ledger)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if ledger.sha256(stage.records) != sha256:
        write_text(ledger.root / stage.records, text)
    ledger.written[stage.records] = sha256


def _is_of(home: str, path: str, record: JobRecord) -> bool:
    """Whether a file is one of a study, or a copy of one."""
    return any(name.startswith(home) for name in (path, *record.inputs))
