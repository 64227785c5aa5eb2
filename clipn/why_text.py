"""Reasons for people and for programs."""

from collections import Counter, defaultdict
from typing import Any

from clipn.planned import PlannedJob
from clipn.why import ABSENT, Reason


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
    lines = [f"{target}: would be made anew, {number}"]
    for (rule, *changes), jobs in groups.items():
        lines.append(f"  {rule}  {jobs[0].outputs[0]}{f' and {len(jobs) - 1} more like it' if len(jobs) > 1 else ''}")
        lines += [f"      {change}" for change in changes]
    if absent:
        lines.append(f"  not here, and needed: {absent[0].missing[0]}{_rest(absent)}, by {_counted(absent)}")
    if following:
        lines.append(f"  because of these: {_counted(following)}")
    return "\n".join(lines)


def _counted(jobs: list[PlannedJob]) -> str:
    counts = Counter(job.rule for job in jobs)
    return ", ".join(rule if number == 1 else f"{rule} ({number})" for rule, number in counts.items())


def _rest(jobs: list[PlannedJob]) -> str:
    more = sum(len(job.missing) for job in jobs) - 1
    return f" and {more} more" if more else ""


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
