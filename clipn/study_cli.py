"""Subcommands that look ahead at a study, and back from a result."""

import json
import sys
from pathlib import Path
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
    from clipn.plan import load_study
    from clipn.plan import plan as plan_study
    from clipn.plan_text import as_mapping, tables

    made = plan_study(load_study(name))
    if as_json:
        _print_json(as_mapping(made))
    else:
        _console().print(tables(made))


def trace(
    file: Annotated[Path, typer.Argument(help="a result, e.g. results/tables/imagenet_ood.csv")],
    everything: Annotated[bool, typer.Option("--all", help="write out every file, also of many alike")] = False,
    as_json: AsJson = False,
) -> None:
    """What a result was made from, back to the archives: files, rules, hashes, and what no longer agrees.

    A file is read if it is not as it was when it was read last.
    """
    from clipn.trace import trace as trace_file
    from clipn.trace_tree import nested, summary, tree

    made = trace_file(file, Path())
    target = next(iter(made))
    if as_json:
        _print_json(nested(made, target))
        return
    console = _console()
    console.print(tree(made, target, everything))
    console.print(summary(made))


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)
