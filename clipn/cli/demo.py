"""The demo: a project that makes it, and the data of its world."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import options_from
from clipn.demo.settings import Demo


def demo(
    folder: Annotated[
        Path, typer.Argument(help="new or empty folder; in that of a demo begun before, it goes on")
    ] = Path("clipn-demo"),
    run: Annotated[bool, typer.Option("--run", help="make every table, figure and the page there")] = False,
) -> None:
    """Write workflow and configuration into a folder; with --run, make the demo study there, in minutes."""
    from clipn.demo.project import PAGE, run_project, write_project

    write_project(folder)
    if run:
        run_project(folder)
    typer.echo(f"open {folder / PAGE}" if run else f"{folder}: ready; now: clipn demo --run {shlex.quote(str(folder))}")


@options_from(Demo)
def demo_data(folder: Annotated[Path, typer.Argument(help="mirror to fill")], settings: Demo) -> None:
    """Generate the demo's nine datasets and captions in the official archive formats."""
    from clipn.demo.mirror import build_mirror

    build_mirror(folder, settings.seed, settings.captions, settings.images, settings.training)
