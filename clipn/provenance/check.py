"""The check of all outputs before and after a run: every file is the one that its record tells of, or the run stops.

Snakemake trusts a file without a record, and does not notice an edited one. So records that travelled with the results
are imported where the file is the one they tell of, or is not here; and what nothing vouches for is named.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from clipn.errors import ClipnError
from clipn.files import named
from clipn.fingerprint import Fingerprints
from clipn.provenance.earlier_downloads import keep_downloads
from clipn.provenance.reconcile import Records, collect_records, resolve_record, stale_outputs
from clipn.provenance.records import JobRecord
from clipn.provenance.stage_files import write_stage_records
from clipn.provenance.stages import Stage, damaged_objects, home, in_cache, load_stages
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.provenance.timestamps import correct_timestamps
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.figures import figure_names
from clipn.study.loading import load_study
from clipn.study.paths import StudyPaths
from clipn.study.snakemake import Mode
from clipn.study.targets import all_files

NAMED = 3
"""Files that a message names."""
LAST = "report"
"""The stage of dvc.yaml that makes everything, as the rule `all` does."""


class CheckedStudy(NamedTuple):
    """The active study, as far as its outputs are checked.

    Attributes:
        name: its name.
        outputs: paths of all files that its rules make.
    """

    name: str
    outputs: Collection[str]


def check_study(
    study: Study, published: Collection[str], cache: HashCache, state: RunState, fingerprints: Fingerprints, mode: Mode
) -> None:
    """Check a study, and before it the one that it extends, by `check_outputs`.

    Args:
        study: the active study.
        published: studies with published numbers, which decide about figures.
        cache: as for `check_outputs`, and so are the others.
        state: of earlier runs.
        fingerprints: of this run.
        mode: of the check.

    Raises:
        ClipnError: as `check_outputs`, or the other study is wrong.
    """
    # That one first, as records of files that both share travel with it.
    base = [load_study(study.extends)] if study.extends else []
    for one in (*base, study):
        files = all_files(StudyPaths(one, StudyData(one)), figure_names(one, published))
        check_outputs(CheckedStudy(one.study, files), cache, state, fingerprints, mode)


def check_outputs(
    study: CheckedStudy, cache: HashCache, state: RunState, fingerprints: Fingerprints, mode: Mode = Mode.CHECK
) -> None:
    """Import the records that came with results, check every result, and write down what jobs have made since.

    Args:
        study: the active study.
        cache: hashes of the project's files.
        state: what earlier runs were given.
        fingerprints: what this run has computed.
        mode: what passes, and what is written.

    Raises:
        ClipnError: a file is not the one that was made, or there is no record of how it was made.
    """
    stages = load_stages(cache.root, study.name, study.outputs)
    records = collect_records(stages, cache, state)
    paths = _hash_files(study, stages, records)
    _resolve_records(paths, records, mode, {copy for stage in stages for copy in stage.copies})
    _require_records(study, stages, records, mode)
    checked = _mark_stale(paths, records)
    correct_timestamps(checked, cache, records.incomplete)
    # Of other studies the records are imported when it is their turn, so their files still count as new.
    state.written |= {path: sha for path, sha in records.imported_files.items() if path.startswith(home(study.name))}
    state.keep_modules((record.code for record in records.local.values()), fingerprints)
    if Mode.DRY_RUN not in mode:
        keep_downloads(checked, cache)
        complete = {path: record for path, record in records.local.items() if path not in records.incomplete}
        write_stage_records(stages, home(study.name), complete, frozenset(study.outputs), cache, state)
    cache.save()
    state.save()


def _hash_files(study: CheckedStudy, stages: list[Stage], records: Records) -> set[str]:
    """Hash the files of the study and at the short paths of which there is a record, and what they were made from."""
    known = records.local.keys() | records.imported.keys()
    if not known.issuperset(study.outputs):
        known |= records.shipped.keys()
    paths = {path for path in known if path.startswith(home(study.name)) or any(stage.has(path) for stage in stages)}
    inputs = {name for path in paths & records.local.keys() for name in records.local[path].inputs}
    records.cache.hash_files(paths | inputs)
    # Now, so that what took long is not repeated if the check stops.
    records.cache.save()
    return paths


def _resolve_records(paths: set[str], records: Records, mode: Mode, not_stored: set[str]) -> None:
    """Choose the record of every file; stop at files that none tells of."""
    accept = Mode.ACCEPT in mode
    changed = sorted(path for path in paths - records.incomplete if not resolve_record(path, records, accept))
    if not changed:
        return
    unhashed = [path for path in changed if path in records.local and records.local[path].sha256 is None]
    if unhashed:
        raise ClipnError(
            f"{named(unhashed, NAMED)}: not as its job left it, and a kill left no hash of that; what is removed is "
            "rebuilt, and `clipn accept all` vouches for what is here"
        )
    stored = [path for path in changed if path not in not_stored]
    # More names than that do not fit in a command; without any, DVC gets back all.
    files = f" {' '.join(stored)}" if len(stored) <= NAMED else ""
    checkout = f"`dvc checkout --force{files}` gets back what was made, and " if stored else ""
    if stored and (damaged := damaged_objects([records.cache.root / path for path in stored])):
        checkout = f"{in_cache(damaged)}; remove both, then `dvc pull{files}` gets back what was made from a remote; "
    raise ClipnError(f"{named(changed, NAMED)}: not as made; {checkout}what is removed is rebuilt")


def _require_records(study: CheckedStudy, stages: list[Stage], records: Records, mode: Mode) -> None:
    """Stop at files that are here although nothing says how they were made."""
    unknown = [path for path in study.outputs if path not in records.local and path not in records.incomplete]
    present = sorted(path for path in unknown if (records.cache.root / path).exists())
    if not present or Mode.ACCEPT in mode:
        return
    owners = [stage for stage in stages if any(stage.has(path) for path in present)]
    # A stage of which this study has no file lacks none.
    others = [stage for stage in stages if stage not in owners and any(map(stage.has, study.outputs))]
    # Not the whole stage: who pulled a part of it may not want the rest.
    pull = f" {' '.join(stage.records for stage in owners)}" if others else ""
    names = [stage.name for stage in owners]
    accept = "all" if LAST in names else " ".join(names)
    raise ClipnError(
        f"{named(present, NAMED)}: no record says how this was made; `dvc pull{pull}` gets the records, what is "
        f"removed is rebuilt, and `clipn accept {accept}` vouches for what is here"
    )


def _mark_stale(paths: set[str], records: Records) -> dict[str, JobRecord]:
    """Mark the records of stale outputs, and no others; returns the records of `paths`."""
    checked = {path: records.local[path] for path in paths & records.local.keys()}
    stale = stale_outputs(checked, records.cache, records.incomplete)
    for path, record in checked.items():
        # A new record would work out its inputs again.
        if record.stale != (path in stale):
            checked[path] = replace(record, stale=path in stale)
            records.keep(path, checked[path])
    return checked
