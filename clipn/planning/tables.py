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
    jobs = [(rule, f"{number:,}") for rule, number in plan.jobs.items()]
    disk = [(part.what, human_bytes(part.bytes), "estimate" if part.is_estimate else "published") for part in plan.disk]
    on_disk = human_bytes(sum(part.bytes for part in plan.disk))
    parts: list[RenderableType] = [f"study {plan.study.study}, device {plan.study.device}"]
    for table in (
        _table("jobs", ("rule", "number"), jobs, ("in all", f"{sum(plan.jobs.values()):,}")),
        *([_downloads(plan)] if plan.downloads or plan.crawled else []),
        _table("disk", ("kind", "size", "source"), disk, ("in all", on_disk, "estimate")),
        _work(plan),
    ):
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
        "disk": [asdict(part) for part in plan.disk],
        "work": [asdict(part) | ({"gpu_hours": part.gpu_hours} if _has_gpu(plan) else {}) for part in plan.work],
        "assumed": {"gpu": GPU, "peak": PEAK, "sustained": SUSTAINED, "tokens": TOKENS},
        "unknown": plan.unknown,
    }


def _downloads(plan: Plan) -> Table:
    """Files by the way they come; by name those that a person must see to."""
    ways: dict[str, list[Download]] = defaultdict(list)
    for file in plan.downloads:
        ways[file.way].append(file)
    rows = []
    for way, files in ways.items():
        published = sum(file.bytes or 0 for file in files)
        unknown = sum(file.bytes is None for file in files)
        # Both, since a sum of published sizes alone would look like that of all files.
        size = [*([human_bytes(published)] if published else []), *([f"{unknown} unknown"] if unknown else [])]
        rows.append((WAYS[way], f"{len(files):,}", " + ".join(size), _hints(files)))
    for name, number in plan.crawled.items():
        rows.append(("crawled", "unknown" if number is None else f"{number:,}", "see disk", f"images of {name}"))
    return _table("downloads", ("way", "files", "size", "which"), rows)


def _hints(files: Sequence[Download]) -> str:
    if files[0].way == "nowhere":
        return "\n".join(
            f"{file.file} of {file.of}: nothing is at its address; put it into downloads/" for file in files
        )
    if files[0].way == "by hand":
        return "\n".join(f"{file.file}: {file.manual}" for file in files)
    return ", ".join(dict.fromkeys(file.of for file in files))


def _work(plan: Plan) -> Table:
    columns = ["work", "of", "precision", "images decoded", "TFLOP"]
    columns += [HOURS] if _has_gpu(plan) else []
    total = Work("in all", "", sum(part.operations for part in plan.work), sum(part.images for part in plan.work), "")
    # Not the total's own hours: its parts have precisions of their own, and the total has none.
    hours = sum(part.gpu_hours for part in plan.work)
    rows = [_work_row(plan, part, part.gpu_hours) for part in plan.work]
    return _table("work of the models, estimates", columns, rows, _work_row(plan, total, hours))


def _work_row(plan: Plan, part: Work, hours: float) -> list[str]:
    images = f"{part.images:,}" if part.images else ""
    tera = part.operations / TERA
    # Three digits, and no "1.2e+03" for thousands.
    operations = f"{tera:,.0f}" if tera >= 100 else f"{tera:.3g}"
    row = [part.kind, part.of, part.precision, images, operations]
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
        yield f"{name}: the registry does not say how many images, classes or captions it has; these count for nothing"


def _has_gpu(plan: Plan) -> bool:
    return plan.study.device != "cpu"


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]], total: Sequence[str] = ()) -> Table:
    table = plain_table(columns, rows, title=title, right=NUMBERS, overflow="fold")
    if total:
        table.add_section()
        table.add_row(*total)
    return table
