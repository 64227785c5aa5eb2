"""Reasons for people and for programs."""

from collections import Counter, defaultdict
from typing import Any

from clipn.why import Reason


def text(target: str, reasons: list[Reason]) -> str:
    """The reasons that come first, jobs that share them together; then what only follows from them."""
    if not reasons:
        return f"{target}: up to date"
    groups: dict[tuple[str, tuple[str, ...]], list[Reason]] = defaultdict(list)
    for reason in reasons:
        if reason.causes:
            groups[reason.job.rule, _shared(reason.causes)].append(reason)
    number = f"{len(reasons)} job{'s' if len(reasons) > 1 else ''}"
    lines = [f"{target}: would be made anew, {number}"]
    for (rule, causes), members in groups.items():
        more = len(members) - 1
        first = members[0].job
        lines.append(f"  {rule}  {(first.missing or first.outputs)[0]}{f' and {more} more like it' if more else ''}")
        lines += [f"      {cause}" for cause in causes]
    following = Counter(reason.job.rule for reason in reasons if not reason.causes)
    if following:
        named = ", ".join(rule if number == 1 else f"{rule} ({number})" for rule, number in following.items())
        lines.append(f"  because of these: {named}")
    return "\n".join(lines)


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


def _shared(causes: list[str]) -> tuple[str, ...]:
    """Causes as jobs may share them: which of its own files is not here is no difference."""
    return tuple("not here, and needed" if cause.startswith("not here") else cause for cause in causes)
