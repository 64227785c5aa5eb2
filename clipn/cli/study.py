"""`clipn study`, and how commands print JSON, tables and trees."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


study_app = typer.Typer(help="Look at a study before it runs.", no_args_is_help=True)

WIDE = 1_000
"""Columns where there is no terminal, so that a file is one line."""

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@study_app.callback()
def study() -> None:
    """Look at a study before it runs."""


@study_app.command()
def plan(
    name: Annotated[str, typer.Argument(help="name of the study: config/studies/NAME.yaml")], as_json: AsJson = False
) -> None:
    """What a study takes when it starts from nothing: jobs, downloads, disk, and hours of a GPU."""
    from clipn.planning.plan import plan_study
    from clipn.planning.tables import as_mapping, tables

    made = plan_study(name)
    if as_json:
        print_json(as_mapping(made))
    else:
        console().print(tables(made))


def print_json(value: dict[str, Any]) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def console() -> "Console":
    """Where tables and trees are printed."""
    from rich.console import Console

    # Without colours of its own, and without markup, which would take brackets out of file names.
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)
