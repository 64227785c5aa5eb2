"""Why results would be rebuilt, in the words of the project: which setting, which module, which file."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipn.files import named
from clipn.fingerprint import PACKAGE
from clipn.provenance.hash_cache import HashCache
from clipn.provenance.reconcile import changed_inputs
from clipn.provenance.records import FINGERPRINT, STALE, JobRecord, read_records
from clipn.provenance.run_state import RunState
from clipn.provenance.settings_diff import changed_settings, changed_text, likeness, settings_in
from clipn.provenance.snakemake import PlannedJob
from clipn.provenance.trace import SHORT

OF_A_STUDY = re.compile(r"results/studies/([^/]+)/(.+)")
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

ABSENT = "not here"
UNKNOWN = "what `snakemake --dry-run` says of it"


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
    records, cache, state = read_records(root), HashCache(root), RunState(root)
    return [_reason(job, records, cache, state) for job in jobs]


def _reason(job: PlannedJob, records: Mapping[str, JobRecord], cache: HashCache, state: RunState) -> Reason:
    record = _record(job, records)
    causes = list(_causes(job, records, cache, state)) or ([] if job.follows else [UNKNOWN])
    others = record is not None and (
        set(job.inputs) != set(record.inputs) or bool(job.newer or changed_inputs(record, records, cache))
    )
    return Reason(job, causes, not (job.missing or job.incomplete or others))


def _record(job: PlannedJob, records: Mapping[str, JobRecord]) -> JobRecord | None:
    return next((records[path] for path in job.outputs if path in records), None)


def _causes(job: PlannedJob, records: Mapping[str, JobRecord], cache: HashCache, state: RunState) -> Iterator[str]:
    record = _record(job, records)
    if job.incomplete:
        yield "its job was begun and not ended"
    if job.missing:
        yield f"{ABSENT}: {named(job.missing, 1)}"
    if record is None:
        yield from (f"file {path}: newer than what it made" for path in job.newer)
        return
    yield from _input_causes(job, record, records, cache)
    if job.reworded:
        yield "the command of the rule, in workflow/rules"
    yield from _parameter_causes(job, record, state)


def _input_causes(
    job: PlannedJob, record: JobRecord, records: Mapping[str, JobRecord], cache: HashCache
) -> Iterator[str]:
    changed = changed_inputs(record, records, cache)
    for path, (then, now) in changed.items():
        yield f"file {path}: {then[:SHORT]} -> {now[:SHORT] if now else 'unknown'}"
    yield from (f"file {path}: newer than what it made" for path in job.newer if path not in changed)
    added, removed = set(job.inputs) - set(record.inputs), set(record.inputs) - set(job.inputs)
    studies, files = _within(removed)
    if len(studies) == 1 and files == _within(added)[1]:
        yield f"made from files of study {studies.pop()}"
        return
    if added:
        yield f"made from other files: also {named(sorted(added), 1)}"
    if removed:
        yield f"made from other files: no longer {named(sorted(removed), 1)}"


def _within(paths: set[str]) -> tuple[set[str], set[str]]:
    """Studies of files, and their paths within them."""
    found = [inside for path in paths if (inside := OF_A_STUDY.fullmatch(path))]
    return {inside[1] for inside in found}, {inside[2] for inside in found}


def _parameter_causes(job: PlannedJob, record: JobRecord, state: RunState) -> Iterator[str]:
    if repr(STALE) in job.before:
        job = _compared(job, record)
    settings = changed_settings(state.settings.get(record.settings or ""), state.settings.get(state.running or ""))
    told: set[str] = set()
    for name, then, text in _paired(job):
        if code := FINGERPRINT.fullmatch(text):
            found = _changed_modules(record.code, code[1], state.modules)
        elif name in CONTENTS:
            found = [CONTENTS[name]]
        else:
            found = settings_in(settings, name, then, text, job) or [changed_text(name, then, text)]
        yield from (cause for cause in found if cause not in told)
        told.update(found)


def _compared(job: PlannedJob, record: JobRecord) -> PlannedJob:
    """A job with the parameters that differ from those of its stale record, which Snakemake does not know."""
    before = sorted(set(record.parameters) - set(job.now.values()))
    return replace(
        job, before=before, now={name: text for name, text in job.now.items() if text not in record.parameters}
    )


def _paired(job: PlannedJob) -> Iterator[tuple[str, str, str]]:
    """Name, text before and text now of every changed parameter.

    Texts before have no names, so the most alike go together. A new parameter has no text before; one that is gone has
    no name and no text now.
    """
    before, then = list(job.before), {}
    alike = {(name, old): likeness(old, text) for name, text in job.now.items() for old in before}
    for name, old in sorted(alike, key=alike.__getitem__, reverse=True):
        same_kind = bool(FINGERPRINT.fullmatch(old)) == bool(FINGERPRINT.fullmatch(job.now[name]))
        if name not in then and old in before and same_kind:
            then[name] = old
            before.remove(old)
    yield from ((name, then.get(name, ""), text) for name, text in job.now.items())
    yield from (("", old, "") for old in before)


def _changed_modules(old: str | None, new: str, modules: Mapping[str, Mapping[str, str]]) -> list[str]:
    then, now = modules.get(old or ""), modules.get(new)
    if then is None or now is None:
        return [f"code: {old or 'unknown'} -> {new}, made too long ago to name the module"]
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return [f"module {_file(name)}" for name in names] or [f"code: {old} -> {new}, the same modules"]


def _file(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py" if (PACKAGE.parent / path).is_dir() else path.with_suffix(".py"))


def text(target: str, reasons: list[Reason]) -> str:
    """What changed, jobs that share it together; then what is not here and needed; then what only follows."""
    if not reasons:
        return f"{target}: up to date"
    groups: dict[tuple[str, ...], list[PlannedJob]] = defaultdict(list)
    absent, following = [], []
    for reason in reasons:
        if changes := [cause for cause in reason.causes if not cause.startswith(ABSENT)]:
            groups[reason.job.rule, *changes].append(reason.job)
        elif reason.causes:
            absent.append(reason.job)
        else:
            following.append(reason.job)
    number = f"{len(reasons)} job{'s' if len(reasons) > 1 else ''}"
    lines = [f"{target}: would be rebuilt, {number}"]
    for (rule, *changes), jobs in groups.items():
        like_it = " like it" if len(jobs) > 1 else ""
        lines.append(f"  {rule}  {named([job.outputs[0] for job in jobs], 1)}{like_it}")
        lines += [f"      {change}" for change in changes]
    if absent:
        missing = [path for job in absent for path in job.missing]
        lines.append(f"  not here, and needed: {named(missing, 1)}, by {_counted(absent)}")
    if following:
        lines.append(f"  because of these: {_counted(following)}")
    return "\n".join(lines)


def _counted(jobs: list[PlannedJob]) -> str:
    counts = Counter(job.rule for job in jobs)
    return ", ".join(rule if number == 1 else f"{rule} ({number})" for rule, number in counts.items())


def as_mapping(target: str, reasons: list[Reason]) -> dict[str, Any]:
    """The same for JSON, every job by itself."""
    jobs = [
        {
            "rule": reason.job.rule,
            "outputs": reason.job.outputs,
            "causes": reason.causes,
            "follows": reason.job.follows,
        }
        for reason in reasons
    ]
    return {"target": target, "jobs": jobs}
