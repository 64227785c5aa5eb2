"""Reasons for people and for programs."""

from collections import Counter, defaultdict
from typing import Any

from clipn.listing import named
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
