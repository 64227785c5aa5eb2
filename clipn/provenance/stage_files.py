"""The records that travel with the results: one file per stage, one line of JSON per job, sorted.

A file holds the records of the stage's outputs and of all that they were made from, so that a part of the results that
travels alone still knows its whole past. Further lines hold the settings of the study under which the jobs ran, and the
hashes of the modules behind the fingerprints of their code.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipn.errors import ClipnError
from clipn.files import write_text
from clipn.provenance.hash_cache import Ledger
from clipn.provenance.records import JobRecord, read_records
from clipn.provenance.stages import RECORD_FILES, Stage


@dataclass(frozen=True)
class Travelled:
    """What one file says.

    Attributes:
        records: by path of the output.
        settings: settings of studies, by key.
        modules: hashes of modules, by module, by fingerprint.
    """

    records: dict[str, JobRecord]
    settings: dict[str, Any]
    modules: dict[str, dict[str, str]]


def ancestors(paths: list[str], records: Mapping[str, JobRecord]) -> Iterator[str]:
    """`paths` and all that they were made from, each once."""
    seen, waiting = set(paths), list(paths)
    while waiting:
        path = waiting.pop()
        yield path
        inputs = records[path].inputs if path in records else []
        waiting += [name for name in inputs if name not in seen]
        seen.update(inputs)


def all_records(root: Path) -> dict[str, JobRecord]:
    """Local records; where there is none, those that travelled with the results of all studies."""
    travelled = (read_record_file(file).records for file in sorted(root.glob(RECORD_FILES)))
    return {path: record for records in travelled for path, record in records.items()} | read_records(root)


def write_record_files(
    stages: list[Stage], home: str, records: Mapping[str, JobRecord], expected: AbstractSet[str], ledger: Ledger
) -> None:
    """Write the file of every stage of which a study has files, where it is not there as it should be.

    Args:
        stages: of dvc.yaml; those of their folders are created that the study has nothing for, as DVC wants all.
        home: folder of the study, with a slash; files elsewhere are the study's if they were made from files in there.
        records: of all files, by path.
        expected: files that the study makes; their records are kept also while they are away.
        ledger: gets the hashes of what was written.
    """
    jobs = {path: _line(_shared(record)) for path, record in records.items()}
    ours = [path for path in sorted(records) if any(name.startswith(home) for name in (path, *records[path].inputs))]
    for stage in stages:
        paths = [path for path in ours if stage.has(path)]
        if not any(ledger.sha256(path) for path in paths):
            continue
        for folder in stage.folders:
            if not any(path.startswith(f"{folder}/") for path in expected):
                (ledger.root / folder).mkdir(parents=True, exist_ok=True)
        text = format_records(
            [path for path in paths if path in expected or ledger.sha256(path)], records, jobs, ledger
        )
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        if ledger.sha256(stage.records) != sha256:
            write_text(ledger.root / stage.records, text)
        ledger.written[stage.records] = str(ledger.sha256(stage.records))


def format_records(paths: list[str], records: Mapping[str, JobRecord], jobs: Mapping[str, str], ledger: Ledger) -> str:
    """Text of a file: the jobs that made `paths` and their ancestors, each with all its outputs.

    Args:
        paths: files of one stage.
        records: of all files, by path.
        jobs: what is known of the job that made a file, as text, by path; outputs of one job have the same.
        ledger: for settings and modules.
    """
    wanted: dict[str, list[str]] = {jobs[path]: [] for path in ancestors(paths, records) if path in records}
    for path in sorted(records):
        if jobs[path] in wanted:
            wanted[jobs[path]].append(path)
    ordered = sorted(wanted.items(), key=lambda job: job[1])
    hashes = [(job, _line({path: records[path].sha256 for path in outputs})) for job, outputs in ordered]
    made = [f'{{"job": {job}, "outputs": {outputs}}}' for job, outputs in hashes]
    known = [records[outputs[0]] for outputs in wanted.values()]
    codes = sorted({record.code for record in known if record.code} & ledger.modules.keys())
    settings = sorted({record.settings for record in known if record.settings} & ledger.settings.keys())
    modules = [{"fingerprint": code, "modules": ledger.modules[code]} for code in codes]
    studies = [{"settings": key, "study": ledger.settings[key]} for key in settings]
    extra = [json.dumps(value, sort_keys=True) for value in (*modules, *studies)]
    return "".join(f"{line}\n" for line in [*made, *extra])


def read_record_file(path: Path) -> Travelled:
    """Parse such a file.

    Raises:
        ClipnError: it is not one; the message says how to get it back.
    """
    found = Travelled({}, {}, {})
    try:
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if "outputs" in line:
                found.records.update(_records(line))
            elif "modules" in line:
                found.modules[line["fingerprint"]] = line["modules"]
            else:
                found.settings[line["settings"]] = line["study"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = f"get it back with `dvc checkout --force {path}`, or remove it if its results were made here"
        raise ClipnError(f"{path}: is no file of records; {remedy}") from error
    return found


def _shared(record: JobRecord) -> dict[str, Any]:
    return {**record.content, "settings": record.settings, "accepted": list(record.accepted)}


def _records(line: dict[str, Any]) -> Iterator[tuple[str, JobRecord]]:
    content = dict(line["job"])
    record = JobRecord(content, settings=content.pop("settings"), accepted=tuple(content.pop("accepted")))
    for path, sha256 in line["outputs"].items():
        yield path, replace(record, sha256=sha256)


def _line(value: Any) -> str:
    return json.dumps(value)
