"""The demo: a project that makes it, and the data of its world."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import Output, options_from
from clipn.demo.settings import Demo
from clipn.yaml_models import LARGEST_SEED


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


def demo_network(
    folder: Annotated[Path, typer.Argument(help="mirror of `clipn demo-data` with training images")],
    model: Annotated[str, typer.Option(help="timm/NAME")],
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="of all weights but those of the classifier")],
    output: Output,
) -> None:
    """Fit the classifier of a network with a random trunk on the demo's training images, for COOkeD."""
    from clipn.demo.network import write_network

    write_network(folder, model, seed, output)
