"""How long every `clipn` command imports before it works, and which packages take longest, as a table.

Those are the imports of the command line, and those that the command's own function names.
"""

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import machine
from benchmarks.page import publish
from clipn.cli.main import app

HEAVIEST = 5
LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \| *([^\s.]+)")
HEADER = "| command | ms | heaviest packages, ms |\n| --- | ---: | --- |"


def commands(of: typer.Typer, name: str = "clipn") -> Iterator[tuple[str, str]]:
    """Every command by its words, and the import statements of its function."""
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{name} {group.name}")
    for command in of.registered_commands:
        assert command.callback is not None
        tree = ast.parse(textwrap.dedent(inspect.getsource(command.callback)))
        statements = (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
        words = command.name or command.callback.__name__.replace("_", "-")
        yield f"{name} {words}", "\n".join(sorted(statements))


@cache
def microseconds(statements: str) -> Counter[str]:
    """By package, in a process of its own."""
    words = [sys.executable, "-X", "importtime", "-c", f"import clipn.cli.main\n{statements}"]
    run = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603
    found = Counter[str]()
    for own, package in LINE.findall(run.stderr):
        found[package] += int(own)
    return found


def main(
    page: Annotated[Path | None, typer.Option(help="of the documentation, to write the table into")] = None,
) -> None:
    """Print a row for every command."""
    rows = []
    for name, statements in sorted(commands(app)):
        found = microseconds(statements)
        heaviest = ", ".join(f"{package} {took / 1000:.0f}" for package, took in found.most_common(HEAVIEST))
        rows.append(f"| `{name}` | {found.total() / 1000:.0f} | {heaviest} |")
    publish([HEADER, *rows, "", machine.description("cpu")], page, "imports")


if __name__ == "__main__":
    typer.run(main)
