"""`clipn published`."""

import typer

from clipn.cli.options import StudyName

published_app = typer.Typer(help="Published and recorded numbers.", no_args_is_help=True)


@published_app.callback()
def published() -> None:
    """Published and recorded numbers."""


@published_app.command()
def record(study: StudyName = None) -> None:
    """Write what a finished study shows into config/published.yaml, for later runs to be compared with."""
    from clipn.report.recording import PUBLISHED, record_study

    entries = record_study(study)
    typer.echo(f"{PUBLISHED}: {len(entries)} entries of study {entries[0].study}, recorded at {entries[0].source}")
