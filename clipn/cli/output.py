"""How commands print JSON, tables and trees."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 1_000
"""Columns where there is no terminal, so that a file is one line."""

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def print_json(value: dict[str, Any]) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def console() -> "Console":
    """Where tables and trees are printed."""
    from rich.console import Console

    # Without colours of its own, and without markup, which would take brackets out of file names.
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)
