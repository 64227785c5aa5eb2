"""`clipn study`."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import StudyName
from clipn.cli.output import AsJson, console, print_json

study_app = typer.Typer(help="A study before and after it runs.", no_args_is_help=True)

RecordedFile = Annotated[Path | None, typer.Option(help="JSON; else config/recorded/STUDY.json")]


@study_app.callback()
def study() -> None:
    """A study before and after it runs."""


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


@study_app.command()
def record(study: StudyName = None, file: RecordedFile = None) -> None:
    """Write down the hashes of a finished study's files with numbers, and that this processor made them."""
    from clipn.provenance.recorded_files import record as record_files
    from clipn.study.loading import load_study

    typer.echo(f"{record_files(load_study(study), Path(), file)}: written")


@study_app.command()
def verify(study: StudyName = None, file: RecordedFile = None) -> None:
    """Say in one line whether a finished study's files with numbers are the recorded ones, or which is the first other.

    Ends with status 1 if they are not, though this processor, or two kinds of them, made the recorded ones.
    """
    from clipn.provenance.recorded_files import compare
    from clipn.study.loading import load_study

    found = compare(load_study(study), Path(), file)
    typer.echo(found)
    if found.fails:
        raise typer.Exit(1)
