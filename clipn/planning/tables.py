"""A plan as tables for people and as JSON for programs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from clipn.data.overview import plain_table
from clipn.files import human_bytes
from clipn.planning.plan import Download, Plan
from clipn.planning.work import GPU, PEAK, SUSTAINED, TOKENS, Work

TERA = 1e12
HOURS = f"{GPU} hours"
NUMBERS = {"number", "files", "size", "images decoded", "TFLOP", HOURS}
WAYS = {
    "fetched": "from the web",
    "copied": "copied from this machine",
    "linked": "here already",
    "by hand": "by hand",
    "nowhere": "cannot be fetched",
}


def tables(plan: Plan) -> Group:
    """What a person wants to know of a study before it runs; every estimate says that it is one."""
    some = [_downloads(plan)] if plan.downloads or plan.crawled else []
    parts: list[RenderableType] = [f"study {plan.study.study}, device {plan.study.device}"]
    for table in (_jobs(plan), *some, _space(plan), _work(plan)):
        parts += ["", table]
    return Group(*parts, "", *_notes(plan))


def as_mapping(plan: Plan) -> dict[str, Any]:
    """All of a plan, and what its estimates assume; bytes, floating-point operations, hours."""
    return {
        "study": plan.study.study,
        "device": plan.study.device,
        "jobs": {"total": sum(plan.jobs.values()), "rules": plan.jobs},
        "downloads": [asdict(file) for file in plan.downloads],
        "crawled": plan.crawled,
        "disk": [asdict(part) for part in plan.space],
        "work": [asdict(part) | ({"gpu_hours": part.gpu_hours} if _has_gpu(plan) else {}) for part in plan.work],
        "assumed": {"gpu": GPU, "peak": PEAK, "sustained": SUSTAINED, "tokens": TOKENS},
        "unknown": plan.unknown,
    }


def _jobs(plan: Plan) -> Table:
    rows = [(rule, f"{number:,}") for rule, number in plan.jobs.items()]
    return _table("jobs", ("rule", "number"), rows, ("in all", f"{sum(plan.jobs.values()):,}"))


def _downloads(plan: Plan) -> Table:
    """Files by the way they come; by name those that a person must see to."""
    ways: dict[str, list[Download]] = defaultdict(list)
    for file in plan.downloads:
        ways[file.way].append(file)
    rows = [(WAYS[way], f"{len(files):,}", _size(files), _hints(files)) for way, files in ways.items()]
    for name, number in plan.crawled.items():
        rows.append(("crawled", "unknown" if number is None else f"{number:,}", "see disk", f"images of {name}"))
    return _table("downloads", ("way", "files", "size", "which"), rows)


def _size(files: Sequence[Download]) -> str:
    known = sum(file.bytes or 0 for file in files)
    unknown = sum(file.bytes is None for file in files)
    return " + ".join([*([human_bytes(known)] if known else []), *([f"{unknown} unknown"] if unknown else [])])


def _hints(files: Sequence[Download]) -> str:
    if files[0].way == "nowhere":
        return "\n".join(
            f"{file.file} of {file.of}: nothing is at its address; put it into downloads/" for file in files
        )
    if files[0].way == "by hand":
        return "\n".join(f"{file.file}: {file.manual}" for file in files)
    return ", ".join(dict.fromkeys(file.of for file in files))


def _space(plan: Plan) -> Table:
    rows = [
        (part.what, human_bytes(part.bytes), "estimate" if part.is_estimate else "published") for part in plan.space
    ]
    total = sum(part.bytes for part in plan.space)
    return _table("disk", ("kind", "size", "source"), rows, ("in all", human_bytes(total), "estimate"))


def _work(plan: Plan) -> Table:
    columns = ["work", "of", "precision", "images decoded", "TFLOP"]
    columns += [HOURS] if _has_gpu(plan) else []
    total = Work("in all", "", sum(part.operations for part in plan.work), sum(part.images for part in plan.work), "")
    hours = sum(part.gpu_hours for part in plan.work)
    rows = [_work_row(plan, part, part.gpu_hours) for part in plan.work]
    return _table("work of the models, estimates", columns, rows, _work_row(plan, total, hours))


def _work_row(plan: Plan, part: Work, hours: float) -> list[str]:
    images = f"{part.images:,}" if part.images else ""
    row = [part.kind, part.of, part.precision, images, _tera(part.operations)]
    return [*row, f"{hours:,.2f}"] if _has_gpu(plan) else row


def _notes(plan: Plan) -> Iterator[str]:
    yield f"A text is taken to have {TOKENS} tokens, padding included; a multiply-add counts as two operations."
    if _has_gpu(plan):
        peaks = ", ".join(f"{peak / TERA:g} TFLOP/s in {name}" for name, peak in PEAK.items())
        yield (
            f"{HOURS}: {SUSTAINED:.0%} of its dense peak, which is {peaks}; another GPU takes them times the ratio of "
            "peaks. They are of the models alone: where decoding images on the CPU is slower, it decides."
        )
    if any(file.bytes is None for file in plan.downloads):
        yield "Downloads of unknown size are in no sum, but for images of captions, whose size is estimated."
    for name in plan.unknown:
        yield f"{name}: the registry does not say how many images or captions it has; it counts for nothing above"


def _has_gpu(plan: Plan) -> bool:
    return plan.study.device != "cpu"


def _tera(operations: float) -> str:
    value = operations / TERA
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]], total: Sequence[str] = ()) -> Table:
    table = plain_table(columns, rows, title=title, right=NUMBERS, overflow="fold")
    if total:
        table.add_section()
        table.add_row(*total)
    return table
