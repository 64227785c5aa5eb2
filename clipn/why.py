"""Why results would be made anew, in the words of the project: which setting, which module, which file."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Any

from clipn.config import ID_DATASETS
from clipn.fingerprint import PACKAGE
from clipn.ledger import Ledger
from clipn.planned import PlannedJob
from clipn.provenance import FINGERPRINT, JobRecord, read_records

SHORT = 12
"""Digits of a sha256 that people are shown."""
WORD = re.compile(r"[^\s,:'\"\[\]{}()]+")
OF_A_STUDY = re.compile(r"results/studies/([^/]+)/(.+)")
NAMED_KEYS = ("variants", "backbones")
"""Settings that belong to one thing with a name; they concern no job of another."""
OPTIONS = {
    "ablations": "ablation",
    "baselines": "method",
    "conventions": "convention",
    "perturbation": "epsilon",
    "rules": "rule",
}
"""Options that are called otherwise than their settings."""
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

UNKNOWN = "what `snakemake --dry-run` says of it"

ABSENT = "not here"

Key = tuple[str, ...]
Term = tuple[str, str]
"""An option, without its dashes, and a word that it is given; before any option, it is empty."""


@dataclass(frozen=True)
class Reason:
    """Why one job would run.

    Attributes:
        job: the job.
        causes: what changed for itself, in words; none if it only follows other jobs.
        can_be_accepted: whether the files are there, and no record tells that they were made from other inputs than
            those that are there: only settings or code differ.
    """

    job: PlannedJob
    causes: list[str]
    can_be_accepted: bool


def reasons(jobs: list[PlannedJob], root: Path) -> list[Reason]:
    """Why the jobs of a plan would run, in its order."""
    records, ledger = read_records(root), Ledger(root)
    return [_reason(job, _record(job, records), ledger) for job in jobs]


def _reason(job: PlannedJob, record: JobRecord | None, ledger: Ledger) -> Reason:
    others = record is not None and (bool(job.newer) or set(job.inputs) != set(record.inputs))
    causes = list(_causes(job, record, ledger)) or ([] if job.follows else [UNKNOWN])
    return Reason(job, causes, not (job.missing or job.incomplete or others))


def _record(job: PlannedJob, records: Mapping[str, JobRecord]) -> JobRecord | None:
    return next((records[path] for path in job.outputs if path in records), None)


def _causes(job: PlannedJob, record: JobRecord | None, ledger: Ledger) -> Iterator[str]:
    if job.incomplete:
        yield "its job was begun and not ended"
    if job.missing:
        yield f"{ABSENT}: {_named(job.missing)}"
    if record is None:
        yield from (f"file {path}: newer than what it made" for path in job.newer)
        return
    yield from _input_causes(job, record, ledger)
    if job.reworded:
        yield "the command of the rule, in workflow/rules"
    yield from _parameter_causes(job, record, ledger)


def _input_causes(job: PlannedJob, record: JobRecord, ledger: Ledger) -> Iterator[str]:
    for path in job.newer:
        then, now = record.hashes.get(path), str(ledger.sha256(path))
        known = then not in (None, now)
        yield f"file {path}: {str(then)[:SHORT]} -> {now[:SHORT]}" if known else f"file {path}: newer than what it made"
    added, removed = set(job.inputs) - set(record.inputs), set(record.inputs) - set(job.inputs)
    studies, files = _within(removed)
    if len(studies) == 1 and files == _within(added)[1]:
        yield f"made from files of study {studies.pop()}"
        return
    if added:
        yield f"made from other files: also {_named(sorted(added))}"
    if removed:
        yield f"made from other files: no longer {_named(sorted(removed))}"


def _within(paths: set[str]) -> tuple[set[str], set[str]]:
    """Studies of files, and their paths within them."""
    found = [inside for path in paths if (inside := OF_A_STUDY.fullmatch(path))]
    return {inside[1] for inside in found}, {inside[2] for inside in found}


def _parameter_causes(job: PlannedJob, record: JobRecord, ledger: Ledger) -> Iterator[str]:
    settings = _changed_settings(ledger.settings.get(record.settings or ""), ledger.settings.get(ledger.running or ""))
    told: set[str] = set()
    for name, then, text in _paired(job):
        if code := FINGERPRINT.fullmatch(text):
            found = _changed_modules(record.code, code[1], ledger.modules)
        elif name in CONTENTS:
            found = [CONTENTS[name]]
        else:
            found = _settings_in(settings, name, then, text, job) or [_changed_text(name, then, text)]
        yield from (cause for cause in found if cause not in told)
        told.update(found)


def _paired(job: PlannedJob) -> Iterator[tuple[str, str, str]]:
    """Name, text before and text now of every changed parameter.

    Texts before have no names, so the most alike go together. A new parameter has no text before; one that is gone has
    no name and no text now.
    """
    before, then = list(job.before), {}
    likeness = {(name, old): _likeness(old, text) for name, text in job.now.items() for old in before}
    for name, old in sorted(likeness, key=likeness.__getitem__, reverse=True):
        same_kind = bool(FINGERPRINT.fullmatch(old)) == bool(FINGERPRINT.fullmatch(job.now[name]))
        if name not in then and old in before and same_kind:
            then[name] = old
            before.remove(old)
    yield from ((name, then.get(name, ""), text) for name, text in job.now.items())
    yield from (("", old, "") for old in before)


def _likeness(one: str, other: str) -> tuple[float, int]:
    """By words; then by length, as two hashes of contents have no word in common."""
    words = SequenceMatcher(None, WORD.findall(one), WORD.findall(other), autojunk=False)
    return words.ratio(), -abs(len(one) - len(other))


def _changed_modules(old: str | None, new: str, modules: Mapping[str, Mapping[str, str]]) -> list[str]:
    then, now = modules.get(old or ""), modules.get(new)
    if then is None or now is None:
        return [f"code: {old or 'unknown'} -> {new}, made too long ago to name the module"]
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return [f"module {_file(name)}" for name in names] or [f"code: {old} -> {new}, the same modules"]


def _file(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py" if (PACKAGE.parent / path).is_dir() else path.with_suffix(".py"))


def _changed_settings(then: Any, now: Any) -> dict[Key, tuple[Any, Any]]:
    """Settings that differ, before and now; empty if either is unknown."""
    return {} if then is None or now is None else dict(_differences(then, now))


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, (*above, name))
        elif old != new:
            yield (*above, name), (old, new)


def _settings_in(settings: Mapping[Key, tuple[Any, Any]], name: str, then: str, now: str, job: PlannedJob) -> list[str]:
    """The changed settings that explain a changed parameter of a job."""
    gone, come = _changed_terms(then, now)
    concerned = {key: values for key, values in settings.items() if _concerns(key, job)}
    chosen: set[Key] = set()
    for option in {option for option, _ in (*gone, *come)}:
        lost, won = ({word for its, word in terms if its == option} for terms in (gone, come))
        fitting = {key for key, values in concerned.items() if _explains(*values, lost, won)}
        named = {key for key in fitting if _option(key[-1]) == (option or _option(name))} or fitting
        chosen |= {key for key in named if key[0] in NAMED_KEYS} or named
    return [f"setting {'.'.join(key)}: {' -> '.join(map(_shown, settings[key]))}" for key in settings if key in chosen]


def _concerns(key: Key, job: PlannedJob) -> bool:
    if key[0] == "pairs":
        return key[1] in job.names or job.names.isdisjoint(ID_DATASETS)
    return key[0] not in NAMED_KEYS or not job.names or key[1] in job.names


def _option(name: str) -> str:
    return OPTIONS.get(name, name.replace("_", "-"))


def _explains(old: Any, new: Any, lost: set[str], won: set[str]) -> bool:
    """Whether words that a text lost and won may be those that a setting lost and won."""
    before, now = _words(old), _words(new)
    own_lost, own_won = (before - now, now - before) if before != now else (before, now)
    pairs = [(mine, theirs) for mine, theirs in ((own_lost, lost), (own_won, won)) if mine and theirs]
    return bool(pairs) and all(mine & theirs for mine, theirs in pairs)


def _words(value: Any) -> set[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return set() if value is None else set(WORD.findall(text))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "given"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _terms(text: str) -> list[Term]:
    """The words of a text with their options; a switch has the word `true` or `false`."""
    found, option = [], ""
    for word, following in pairwise([*WORD.findall(text.replace("\\n", "\n")), "--"]):
        if not word.startswith("--"):
            found.append((option, word))
        elif following.startswith("--"):
            found.append((word[2:].removeprefix("no-"), "false" if word.startswith("--no-") else "true"))
        else:
            option = word[2:]
    return found


def _changed_terms(then: str, now: str) -> tuple[list[Term], list[Term]]:
    """Terms that only one of two texts has; all of them if they only stand in another order."""
    old, new = _terms(then), _terms(now)
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    return (list(gone), list(come)) if gone or come else (old, new)


def _changed_text(name: str, then: str, now: str) -> str:
    gone, come = (
        " ".join(f"--{option} {word}" if option else word for option, word in terms)
        for terms in _changed_terms(then, now)
    )
    return f"{name}: {gone or 'nothing'} -> {come or 'nothing'}" if name else f"no longer given: {gone}"


def _named(paths: list[str]) -> str:
    more = len(paths) - 1
    return f"{paths[0]}{f' and {more} more' if more else ''}"
