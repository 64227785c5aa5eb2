"""A plan as tables for people and as JSON for programs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from clipn.data.overview import human_bytes, plain_table
from clipn.planning.plan import Download, Plan
from clipn.planning.work import CORE, CORES, FLOAT64, GPU, PEAK, SUSTAINED, TOKENS, Work

GIGA, TERA = 1e9, 1e12
CPU = f"{CORES} cores"
NUMBERS = {"number", "files", "size", "images decoded", "TFLOP", CPU, GPU}
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
    core = CORE[plan.study.arithmetic]
    return {
        "study": plan.study.study,
        "device": plan.study.device,
        "jobs": {"total": sum(plan.jobs.values()), "rules": plan.jobs},
        "downloads": [asdict(file) for file in plan.downloads],
        "crawled": plan.crawled,
        "disk": [asdict(part) for part in plan.disk],
        "work": [asdict(part) | {"cpu_hours": part.cpu_hours(core), "gpu_hours": part.gpu_hours} for part in plan.work],
        "assumed": {
            "cores": CORES,
            "core": core,
            "gpu": GPU,
            "peak": PEAK,
            "sustained": SUSTAINED,
            "tokens": TOKENS,
        },
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
    columns = ["work", "of", "precision", "images decoded", "TFLOP", CPU, GPU]
    core, parts = CORE[plan.study.arithmetic], plan.work
    total = Work("in all", "", sum(part.operations for part in parts), sum(part.images for part in parts), "")
    # Not the total's own hours: its parts have precisions of their own, and the total has none.
    in_all = _work_row(total, core, sum(part.gpu_hours for part in parts))
    rows = [_work_row(part, core, part.gpu_hours) for part in parts]
    return _table("work of the models, estimates", columns, rows, in_all)


def _work_row(part: Work, core: float, gpu_hours: float) -> list[str]:
    images = f"{part.images:,}" if part.images else ""
    tera = part.operations / TERA
    # Three digits, and no "1.2e+03" for thousands.
    operations = f"{tera:,.0f}" if tera >= 100 else f"{tera:.3g}"
    hours = [_duration(time) if time else "" for time in (part.cpu_hours(core), gpu_hours)]
    return [part.kind, part.of, part.precision, images, operations, *hours]


def _duration(hours: float) -> str:
    """To two digits or so, in the unit that people would use."""
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 2:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:,.0f} d"


def _notes(plan: Plan) -> Iterator[str]:
    arithmetic = plan.study.arithmetic
    peaks = ", ".join(f"{peak / TERA:g} TFLOP/s in {name}" for name, peak in PEAK.items())
    yield f"A text is taken to have {TOKENS} tokens, padding included; a multiply-add counts as two operations."
    yield (
        f"{CPU}: {CORE[arithmetic] / GIGA:g} GFLOP/s each, as measured on an AMD EPYC with `arithmetic: {arithmetic}`; "
        "more or fewer cores take it times the ratio."
    )
    yield (
        f"{GPU}: {SUSTAINED:.0%} of its dense peak, which is {peaks}; another GPU takes it times the ratio of peaks. "
        "Where decoding images on the CPU is slower, that decides."
    )
    if any(part.precision == FLOAT64 for part in plan.work):
        yield "What is computed from features, in fp64, is computed on the CPU whatever the device."
    if any(file.bytes is None for file in plan.downloads):
        yield "Downloads of unknown size are in no sum, but for images of captions, whose size is estimated."
    for name in plan.unknown:
        yield f"{name}: the registry does not say how many images, classes, captions or words; these count for nothing"


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]], total: Sequence[str] = ()) -> Table:
    table = plain_table(columns, rows, title=title, right=NUMBERS, overflow="fold")
    if total:
        table.add_section()
        table.add_row(*total)
    return table
