"""`clipn study`."""

from typing import Annotated

import typer

from clipn.cli.output import AsJson, console, print_json

study_app = typer.Typer(help="Look at a study before it runs.", no_args_is_help=True)


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
