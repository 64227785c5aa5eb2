"""Why results would be rebuilt, in the words of the project: which setting, which module, which file."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipn.compute import described
from clipn.files import named
from clipn.fingerprint import PACKAGE
from clipn.provenance.reconcile import changed_inputs
from clipn.provenance.records import FINGERPRINT, STALE, JobRecord, differences, read_records
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.provenance.trace import SHORT
from clipn.study.paths import study_of
from clipn.study.rules.parameters import MISSING, Contents, Settings, changed_values, is_keyed
from clipn.study.snakemake import PlannedJob

ABSENT = "not here"
REGROUPED = "the same settings, recorded in other groups"
OTHER_NAME = "setting study: "
UNKNOWN = "what `snakemake --dry-run` says of it"
OLD_RECORD = "settings: recorded by an older version of this workflow, which did not name them"


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

    @property
    def says_another_name(self) -> bool:
        """Whether the outputs say the name of the study, which is another one now."""
        return any(cause.startswith(OTHER_NAME) for cause in self.causes)


def reasons(jobs: list[PlannedJob], root: Path) -> list[Reason]:
    """Why the jobs of a plan would run, in its order."""
    records, cache, state = read_records(root), HashCache(root), RunState(root)
    return [_reason(job, records, cache, state) for job in jobs]


def _reason(job: PlannedJob, records: Mapping[str, JobRecord], cache: HashCache, state: RunState) -> Reason:
    record = _record(job, records)
    causes = list(_causes(job, records, cache, state))
    if not causes and not job.follows:
        causes = [REGROUPED if job.before or job.now else UNKNOWN]
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
    if job.command_changed:
        yield "the command of the rule, in workflow/rules"
    yield from _parameter_causes(job, record, state.modules)


def _input_causes(
    job: PlannedJob, record: JobRecord, records: Mapping[str, JobRecord], cache: HashCache
) -> Iterator[str]:
    changed = changed_inputs(record, records, cache)
    for path, (then, now) in changed.items():
        yield f"file {path}: {then[:SHORT]} -> {now[:SHORT] if now else 'unknown'}"
    yield from (f"file {path}: newer than what it made" for path in job.newer if path not in changed)
    added, removed = set(job.inputs) - set(record.inputs), set(record.inputs) - set(job.inputs)
    # A copy at a short path is made from the same file of another study when the active study changes.
    old, new = ([found for path in paths if (found := study_of(path))] for paths in (removed, added))
    studies = {study for study, _ in old}
    if len(studies) == 1 and {file for _, file in old} == {file for _, file in new}:
        yield f"made from files of study {studies.pop()}"
        return
    if added:
        yield f"made from other files: also {named(sorted(added), 1)}"
    if removed:
        yield f"made from other files: no longer {named(sorted(removed), 1)}"


def _parameter_causes(job: PlannedJob, record: JobRecord, modules: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    then = record.parameters
    # Of a stale record Snakemake knows one parameter that no job has, so all parameters of the job are new to it.
    kept = [] if repr(STALE) in job.before else [text for text in then if text not in job.before]
    now = {**dict.fromkeys(kept, ""), **{text: name for name, text in job.now.items()}}
    if any(map(is_keyed, now)) and not any(map(is_keyed, then)):
        yield OLD_RECORD
        # Its other parameters were texts of options, which say nothing beside that.
        then = [text for text in then if FINGERPRINT.fullmatch(text)]
    else:
        yield from _keyed_causes(then, now)
    for text, name in now.items():
        if text in then or is_keyed(text):
            continue
        code = FINGERPRINT.fullmatch(text)
        yield from _changed_modules(record.code, code[1], modules) if code else [f"parameter {name}: now {text}"]
    gone = [text for text in then if text not in now and not is_keyed(text) and not FINGERPRINT.fullmatch(text)]
    yield from (f"parameter no longer given: {text}" for text in gone)


def _keyed_causes(then: Iterable[str], now: Iterable[str]) -> Iterator[str]:
    """Settings; what follows from them, and contents of other sources than then, only where no setting explains it."""
    changed = changed_values(then, now, Settings)
    settings = {key: values for key, values in changed.items() if " " not in key}
    yield from (f"setting {key}: {_shown(old)} -> {_shown(new)}" for key, (old, new) in settings.items())
    if not settings:
        yield from (f"{key}: {_shown(old)} -> {_shown(new)}" for key, (old, new) in changed.items())
    contents = changed_values(then, now, Contents)
    yield from (key for key, values in contents.items() if not settings or MISSING not in values)


def _shown(value: Any) -> str:
    if value is MISSING:
        return "nothing"
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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


def arithmetic_notes(kept: Mapping[str, Sequence[str]], is_rebuilt: bool) -> list[str]:
    """That results of different libraries, kernels or variables stand together, or would; nothing is re-run for it.

    Args:
        kept: files that stay as they are, by what they were made with.
        is_rebuilt: whether others would be rebuilt, with the libraries that are here.
    """
    if found := differences(kept):
        return [
            f"  made with different libraries, kernels or variables: {found}",
            "      nothing is re-run for that; `snakemake --forceall all` makes everything with those that are here",
        ]
    here = described().split()[1:]
    new = [version for version in here if any(version not in words.split() for words in kept)]
    return (
        [f"  would be rebuilt with {' '.join(new)}, and what stays was made with others"] if is_rebuilt and new else []
    )


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
