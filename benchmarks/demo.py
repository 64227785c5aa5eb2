"""CPU seconds and memory of every rule of a finished study, as its jobs wrote them down."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

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


def table(jobs: Used) -> str:
    """A Markdown table, the rule that took most first, and the sum."""
    rows = sorted(((sum(s for s, _ in of), rule, of) for rule, of in jobs.items()), reverse=True)
    lines = ["| rule | jobs | CPU s | MiB |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| `{rule}` | {len(of)} | {total:.1f} | {max(m for _, m in of)} |" for total, rule, of in rows]
    every = [job for of in jobs.values() for job in of]
    lines += [f"| all | {len(every)} | {sum(s for s, _ in every):.1f} | {max((m for _, m in every), default=0)} |"]
    return "\n".join(lines)


def main(study: Annotated[str, typer.Argument(help="which has run here")] = "demo") -> None:
    """Print a table; jobs that only copy files write no log and are left out."""
    print(table(used(Path("logs") / study)))
    print(f"\n{processor()}")


if __name__ == "__main__":
    typer.run(main)
