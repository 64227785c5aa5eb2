"""`clipn store`."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.output import console

store_app = typer.Typer(help="What a team shares of a study through a remote of DVC.", no_args_is_help=True)


@store_app.callback()
def store() -> None:
    """What a team shares of a study through a remote of DVC."""


@store_app.command()
def status(
    study: Annotated[str | None, typer.Argument(help="name of the study; else the one in config/config.yaml")] = None,
    remote: Annotated[str | None, typer.Option(help="name of the remote; else DVC's default")] = None,
) -> None:
    """What of a study is here and what is in the store, by content, and what to type for the rest.

    It computes and fetches nothing, and works in a fresh clone.
    """
    from clipn.provenance.store.status import lines, store_status, table

    found = store_status(study, remote, Path())
    console().print(table(found))
    typer.echo("\n".join(["", *lines(found)]))
