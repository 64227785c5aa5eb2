"""The records that travel with the results: one file per stage, one line of JSON per job, sorted.

A file holds the records of the stage's outputs and of all that they were made from, so that a part of the results that
travels alone still knows its whole past. Further lines hold the settings of the study under which the jobs ran, and the
hashes of the modules behind the fingerprints of their code.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipn.errors import ClipnError
from clipn.ledger import Ledger
from clipn.provenance import JobRecord, read_records

FILES = "results/studies/*/provenance/*.jsonl"


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
    travelled = (read_record_file(file).records for file in sorted(root.glob(FILES)))
    return {path: record for records in travelled for path, record in records.items()} | read_records(root)


def format_records(paths: list[str], records: Mapping[str, JobRecord], ledger: Ledger) -> str:
    """Text of a file: the records of `paths` and of their ancestors, jobs with several outputs in one line."""
    jobs: dict[str, list[str]] = defaultdict(list)
    known = {path: records[path] for path in sorted(ancestors(paths, records)) if path in records}
    for path, record in known.items():
        jobs[_line(_shared(record))].append(path)
    lines = [{"outputs": {path: known[path].sha256 for path in made}, **json.loads(job)} for job, made in jobs.items()]
    codes = sorted({record.code for record in known.values()} & ledger.modules.keys(), key=str)
    settings = sorted({record.settings for record in known.values()} & ledger.settings.keys(), key=str)
    extra = [{"fingerprint": code, "modules": ledger.modules[code]} for code in codes if code]
    studies = [{"settings": key, "study": ledger.settings[key]} for key in settings if key]
    return "".join(f"{_line(line)}\n" for line in [*lines, *extra, *studies])


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
        raise ClipnError(f"{path}: is no file of records; get it back with `dvc checkout {path}`") from error
    return found


def _shared(record: JobRecord) -> dict[str, Any]:
    return {**record.content, "settings": record.settings, "accepted": list(record.accepted)}


def _records(line: dict[str, Any]) -> Iterator[tuple[str, JobRecord]]:
    own = {"outputs", "settings", "accepted"}
    content = {name: value for name, value in line.items() if name not in own}
    record = JobRecord(content, settings=line["settings"], accepted=tuple(line["accepted"]))
    for path, sha256 in line["outputs"].items():
        yield path, replace(record, sha256=sha256)


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
