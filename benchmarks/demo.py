"""CPU seconds and memory of every rule of a finished study, as its jobs wrote them down."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.page import publish
from clipn.compute import USED, processor

LINE = re.compile(rf"^{USED}([\d.]+) CPU seconds, (\d+) MiB", re.MULTILINE)
Used = dict[str, list[tuple[float, int]]]


def used(logs: Path) -> Used:
    """CPU seconds and MiB of every job that says so in its log, by rule."""
    found: Used = defaultdict(list)
    for log in sorted(logs.rglob("*.log")):
        if match := LINE.search(log.read_text(encoding="utf-8")):
            found[log.relative_to(logs).parts[0].removesuffix(".log")].append((float(match[1]), int(match[2])))
    return found


def table(jobs: Used) -> Iterator[str]:
    """A Markdown table, the rule that took most first, and the sum."""
    yield "| rule | jobs | CPU s | MiB |"
    yield "| --- | ---: | ---: | ---: |"
    rows = {f"`{rule}`": of for rule, of in jobs.items()}
    every = {"all": [job for of in jobs.values() for job in of]}
    for name, of in (*sorted(rows.items(), key=lambda row: -_seconds(row[1])), *every.items()):
        yield f"| {name} | {len(of)} | {_seconds(of):.1f} | {max((peak for _, peak in of), default=0):,} |"


def _seconds(of: list[tuple[float, int]]) -> float:
    return sum(seconds for seconds, _ in of)


def main(
    study: Annotated[str, typer.Argument(help="which has run here")] = "demo",
    page: Annotated[Path | None, typer.Option(help="of the documentation, to write the table into")] = None,
) -> None:
    """Print a row for every rule; jobs that only copy files write no log and are left out."""
    publish([*table(used(Path("logs") / study)), "", processor()], page, "demo")


if __name__ == "__main__":
    typer.run(main)
