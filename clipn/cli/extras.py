"""What a command says that needs packages of an extra which is not installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from typer.core import TyperGroup

from clipn.errors import ClipnError

PIPELINE = {"dvc": "DVC", "matplotlib": "Matplotlib", "psutil": "psutil", "snakemake": "Snakemake"}
"""Packages of the extra `pipeline` as they are imported, and their names."""


@contextmanager
def missing_named(context: typer.Context) -> Iterator[None]:
    """A package of an extra that cannot be imported is a ClipnError, which says how to install it.

    Args:
        context: of the whole program.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PIPELINE:
            raise
        words = " ".join(["clipn", *_words(context.command, sys.argv[1:])])
        raise ClipnError(f'{words}: needs {PIPELINE[package]}; pip install "clipn[pipeline]"') from error


def _words(command: object, arguments: list[str]) -> Iterator[str]:
    """The words among the arguments that name a command of a group."""
    for argument in arguments:
        if isinstance(command, TyperGroup) and argument in command.commands:
            command = command.commands[argument]
            yield argument
