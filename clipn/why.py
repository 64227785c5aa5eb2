"""Why results would be made anew, in the words of the project: which setting, which module, which file."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

from clipn.ledger import Ledger
from clipn.planned import PlannedJob
from clipn.provenance import FINGERPRINT, JobRecord, read_records

SHORT = 12
"""Digits of a sha256 that people are shown."""
WORD = re.compile(r"[^\s,:'\"\[\]{}()]+")
NAMED_KEYS = ("variants", "backbones")
"""Settings that belong to one thing with a name; they concern no job of another."""
CONTENTS = {
    "archive": "what the registry says of the archive",
    "content": "the weight file",
    "definition": "the architecture file",
    "in_place": "the files that are read in place",
    "list": "the word list",
    "pool": "the prompt pool",
    "record": "its record in the registry",
    "records": "their records in the registry",
    "template": "the template of the page",
}
"""What parameters stand for that hold a content and not a setting."""


@dataclass(frozen=True)
class Reason:
    """Why one job would run.

    Attributes:
        job: the job.
        causes: what changed for itself, in words; none if it only follows other jobs.
        can_be_accepted: whether the files are there, and made from the inputs that are there.
    """

    job: PlannedJob
    causes: list[str]

    @property
    def can_be_accepted(self) -> bool:
        """Whether its files are there, and made from the inputs that are there: only settings or code differ."""
        return not (self.job.missing or self.job.newer or self.job.incomplete)


def reasons(jobs: list[PlannedJob], root: Path) -> list[Reason]:
    """Why the jobs of a plan would run, in its order."""
    records, ledger = read_records(root), Ledger(root)
    return [Reason(job, list(_causes(job, _record(job, records), ledger))) for job in jobs]


def _record(job: PlannedJob, records: Mapping[str, JobRecord]) -> JobRecord | None:
    return next((records[path] for path in job.outputs if path in records), None)


def _causes(job: PlannedJob, record: JobRecord | None, ledger: Ledger) -> Iterator[str]:
    if job.incomplete:
        yield "its job was begun and not ended"
    if job.missing:
        yield f"not here: {_named(job.missing)}"
    if record is None:
        return
    yield from _input_causes(job, record, ledger)
    if job.reworded:
        yield "the command of the rule, in workflow/rules"
    yield from _parameter_causes(job, record, ledger)


def _input_causes(job: PlannedJob, record: JobRecord, ledger: Ledger) -> Iterator[str]:
    for path in job.newer:
        then, now = record.hashes.get(path), str(ledger.sha256(path))
        yield f"file {path}: {then[:SHORT]} -> {now[:SHORT]}" if then else f"file {path}: newer than what it made"
    added, removed = set(job.inputs) - set(record.inputs), set(record.inputs) - set(job.inputs)
    if added:
        yield f"made from other files: also {_named(sorted(added))}"
    if removed:
        yield f"made from other files: no longer {_named(sorted(removed))}"


def _parameter_causes(job: PlannedJob, record: JobRecord, ledger: Ledger) -> Iterator[str]:
    before = list(job.before)
    settings = _changed_settings(ledger.settings.get(record.settings or ""), ledger.settings.get(ledger.running or ""))
    told: set[str] = set()
    for name, text in job.now.items():
        close = get_close_matches(text, before, n=1, cutoff=0.0)
        then = close[0] if close else ""
        before = [other for other in before if other != then]
        if code := FINGERPRINT.fullmatch(text):
            found = _changed_modules(record.code, code[1], ledger.modules)
        elif name in CONTENTS:
            found = [CONTENTS[name]]
        else:
            found = _settings_in(settings, _changed_words(then, text), job) or [_changed_text(name, then, text)]
        yield from (cause for cause in found if cause not in told)
        told.update(found)
    yield from (f"no longer given: {text}" for text in before if not job.now)


def _changed_modules(old: str | None, new: str, modules: Mapping[str, Mapping[str, str]]) -> list[str]:
    then, now = modules.get(old or ""), modules.get(new)
    if then is None or now is None:
        return [f"code: {old or 'unknown'} -> {new}, made too long ago to name the module"]
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return [f"module {_file(name)}" for name in names]


def _file(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))


def _changed_settings(then: Any, now: Any) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by their dotted key, before and now; empty if either is unknown."""
    if then is None or now is None:
        return {}
    old, new = dict(_leaves(then)), dict(_leaves(now))
    keys = sorted(old.keys() | new.keys())
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _leaves(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _changed_words(then: str, now: str) -> tuple[set[str], set[str]]:
    """Words that only one of two texts has at their places."""
    old, new = WORD.findall(then), WORD.findall(now)
    steps = [step for step in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if step[0] != "equal"]
    gone = {word for _, start, end, _, _ in steps for word in old[start:end]}
    come = {word for _, _, _, start, end in steps for word in new[start:end]}
    return gone, come


def _settings_in(
    settings: Mapping[str, tuple[Any, Any]], changed: tuple[set[str], set[str]], job: PlannedJob
) -> list[str]:
    """The changed settings that explain a changed parameter of a job."""
    return [
        f"setting {key}: {_shown(old)} -> {_shown(new)}"
        for key, (old, new) in settings.items()
        if _concerns(key, job) and _explains(key, old, new, changed)
    ]


def _concerns(key: str, job: PlannedJob) -> bool:
    kind, _, rest = key.partition(".")
    return kind not in NAMED_KEYS or not job.names or rest.partition(".")[0] in job.names


def _explains(key: str, old: Any, new: Any, changed: tuple[set[str], set[str]]) -> bool:
    gone, come = changed
    option = key.rpartition(".")[2].replace("_", "-")
    if {f"--{option}", f"--no-{option}"} & (gone | come):
        return True
    before, now = set(WORD.findall(_shown(old))), set(WORD.findall(_shown(new)))
    lost, won = before - now, now - before
    return bool(lost | won) and (not lost or bool(lost & gone)) and (not won or bool(won & come))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _changed_text(name: str, then: str, now: str) -> str:
    gone, come = _changed_words(then, now)
    return f"{name}: {' '.join(sorted(gone)) or 'nothing'} -> {' '.join(sorted(come)) or 'nothing'}"


def _named(paths: list[str]) -> str:
    more = len(paths) - 1
    return f"{paths[0]}{f' and {more} more' if more else ''}"
