"""The look at all results before and after a run: every file is the one that its record tells of, or the run stops.

Snakemake trusts a file without a record, and does not notice an edited one. So records that travelled with the results
are taken over where the file is the one they tell of, or is not here; and what nothing vouches for is named.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from clipn import fingerprint
from clipn.errors import ClipnError
from clipn.files import named
from clipn.provenance.hash_cache import Ledger
from clipn.provenance.reconcile import Records, all_known, settle, void_paths
from clipn.provenance.stage_files import write_record_files
from clipn.provenance.stages import Stage, home, load_stages
from clipn.provenance.timestamps import correct_dates

NAMED = 3
"""Files that a message names."""
LAST = "report"
"""The stage of dvc.yaml that makes everything, as the rule `all` does."""

_trusting = False
_asking = False


@contextmanager
def trusting() -> Iterator[None]:
    """Let looks pass files that have no record, or changed before anyone looked, as they are to be accepted."""
    global _trusting
    _trusting = True
    try:
        yield
    finally:
        _trusting = False


@contextmanager
def asking() -> Iterator[None]:
    """Let looks write nothing that DVC tracks, as a dry run does."""
    global _asking
    _asking = True
    try:
        yield
    finally:
        _asking = False


def look(study: str, settings: dict[str, Any], expected: Collection[str], ledger: Ledger, dry: bool = False) -> None:
    """Take over the records that came with results, check every result, and write down what jobs have made since.

    Args:
        study: name of the active study.
        settings: all its settings.
        expected: paths of all files that its rules make.
        ledger: of the project.
        dry: write nothing that DVC tracks, as somebody only asks.

    Raises:
        ClipnError: a file is not the one that was made, or there is no record of how it was made.
    """
    stages = load_stages(ledger.root, study)
    records = all_known(ledger, stages)
    active = _active(study, stages, expected, records)
    changed = sorted(path for path in active if path not in records.begun and not settle(path, records, _trusting))
    if changed:
        raise ClipnError(_changed_message(changed, records))
    if not _trusting:
        _require_records(expected, records, stages)
    settled = {path: records.local[path] for path in active & records.local.keys()}
    void = void_paths(settled, ledger, records.begun)
    for path, record in settled.items():
        settled[path] = replace(record, void=path in void)
        records.keep(path, settled[path])
    correct_dates(settled, ledger, records.begun)
    _remember(study, settings, records)
    if not (dry or _asking):
        whole = {path: record for path, record in records.local.items() if path not in records.begun}
        write_record_files(stages, home(study), whole, frozenset(expected), ledger)
    ledger.save()


def settings_key(settings: dict[str, Any]) -> str:
    """Short hash of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _active(study: str, stages: list[Stage], expected: Collection[str], records: Records) -> set[str]:
    """Files of a study and the short paths of which there is a record; they and their inputs are hashed."""
    known = records.local.keys() | records.arrived.keys()
    if not known.issuperset(expected):
        known |= records.copies.keys()
    active = {path for path in known if path.startswith(home(study)) or any(stage.has(path) for stage in stages)}
    inputs = {name for path in active & records.local.keys() for name in records.local[path].inputs}
    records.ledger.read(active | inputs)
    records.ledger.save()
    return active


def _require_records(expected: Collection[str], records: Records, stages: list[Stage]) -> None:
    unknown = [path for path in expected if path not in records.local and path not in records.begun]
    present = sorted(path for path in unknown if (records.ledger.root / path).exists())
    if present:
        owners = [stage.name for stage in stages if any(stage.has(path) for path in present)]
        pull = "" if len(owners) == len(stages) else f" {' '.join(owners)}"
        accept = "all" if LAST in owners else " ".join(owners)
        raise ClipnError(
            f"{named(present, NAMED)}: no record says how this was made; `dvc pull{pull}` gets the records, what is "
            f"removed is made anew, and `clipn accept {accept}` vouches for what is here"
        )


def _changed_message(paths: list[str], records: Records) -> str:
    unseen = [path for path in paths if path in records.local and records.local[path].sha256 is None]
    if unseen:
        return (
            f"{named(unseen, NAMED)}: not as its job left it, and a kill left no hash of that; what is removed is made "
            "anew, and `clipn accept all` vouches for what is here"
        )
    files = f" {' '.join(paths)}" if len(paths) <= NAMED else ""
    return (
        f"{named(paths, NAMED)}: not as made; `dvc checkout --force{files}` gets back what was made, and what is "
        "removed is made anew"
    )


def _remember(study: str, settings: dict[str, Any], records: Records) -> None:
    """Keep what was read, and what the run that begins now runs under; forget what no record refers to."""
    ledger = records.ledger
    ledger.written |= {path: sha for path, sha in records.arrived_files.items() if path.startswith(home(study))}
    ledger.running = settings_key(settings)
    keys = {ledger.running, *(record.settings for record in records.local.values())}
    codes = {*fingerprint.closures, *(record.code for record in records.local.values())}
    known, modules = ledger.settings | {ledger.running: settings}, ledger.modules | fingerprint.closures
    ledger.settings = {key: known[key] for key in known.keys() & keys}
    ledger.modules = {code: modules[code] for code in modules.keys() & codes}
    ledger.sources = fingerprint.used_sources
