"""Command-line options that several commands share, or that are generated from the typed settings."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel, ValidationError

from clipn.errors import ClipnError
from clipn.yaml_models import LARGEST_SCALE, MOST_THREADS, first_error

RegistryFile = Annotated[Path, typer.Option(help="registry of datasets and caption sources")]
RegistryFiles = Annotated[
    list[Path], typer.Option("--registry", help="registry of datasets and caption sources; repeat for several")
]
Archives = Annotated[Path, typer.Option(help="folder with one folder of archives per dataset or source")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="where models run")]
Threads = Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="torch threads; digits depend on it")]
StudyName = Annotated[str | None, typer.Option("--study", help="instead of the one in config/config.yaml")]
Workers = Annotated[int, typer.Option(min=0, max=MOST_THREADS, help="processes that decode images")]
PairsOption = Annotated[list[str], typer.Option("--pair", help="ID:OOD,OOD; repeat for every ID dataset")]
Output = Annotated[Path, typer.Option(help="file to write", writable=True)]
Shards = Annotated[list[Path], typer.Argument(help="tar files, in order")]
ShardIndex = Annotated[Path, typer.Option(help="index of the shards")]
BackboneFile = Annotated[Path, typer.Option(help="backbone file")]
Datasets = Annotated[Path, typer.Option(help="folder with one indexed dataset per folder")]
FeaturesFolder = Annotated[Path, typer.Option(help="folder with a folder of image features per backbone")]
ClassifiersFolder = Annotated[Path, typer.Option(help="folder with the classifiers of every backbone")]
Unpacked = Annotated[Path | None, typer.Option(help="somebody's unpacked copy, in place of the first archive")]
UnpackedCopies = Annotated[list[str] | None, typer.Option(help="DATASET:FOLDER of an unpacked copy; repeat")]
PromptPool = Annotated[str, typer.Option(help="prompt pool, or a .txt file with a template per line")]
LogitScale = Annotated[str, typer.Option(help="what multiplies cosines; `checkpoint`: the scale learned with it")]


def options_from(model: type[BaseModel]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter `settings` by one option per field of `model`.

    The command is called with `settings` as a checked instance; a bad value is a ClipnError that names it.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(function).parameters.values() if p.name != "settings"]
        options = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.get_default(),
                annotation=Annotated[field.annotation, typer.Option(help=field.description)],
            )
            for name, field in model.model_fields.items()
        ]

        @functools.wraps(function)
        def command(**arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in model.model_fields}
            function(settings=_checked(model, values), **arguments)

        command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
        return command

    return decorate


def _checked(model: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    try:
        return model(**values)
    except ValidationError as error:
        name, reason = first_error(error).split(": ", 1)
        raise ClipnError(f"--{name.replace('_', '-')}: {reason}") from error


def parse_named(option: str, texts: Iterable[str], form: str) -> dict[str, str]:
    """`NAME:VALUE` texts as a mapping.

    Args:
        option: that they were given with.
        texts: what was given.
        form: what an error asks for, e.g. `DATASET:FOLDER`.

    Raises:
        ClipnError: a text has another form, or a name occurs twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition(":")
        if not (name and value):
            raise ClipnError(f"{option} {text!r}: write it as {form}")
        # A second text would hide the first.
        if name in values:
            raise ClipnError(f"{option} {text!r}: {name} is given twice; name it once, with all that belongs to it")
        values[name] = value
    return values


def parse_lists(option: str, texts: Iterable[str], form: str) -> dict[str, list[str]]:
    """`NAME:VALUE,VALUE` texts as a mapping.

    Raises:
        ClipnError: as `parse_named`, or a value is empty or occurs twice.
    """
    lists = {name: values.split(",") for name, values in parse_named(option, texts, form).items()}
    for name, values in lists.items():
        text = f"{option} {':'.join([name, ','.join(values)])!r}"
        if not all(values):
            raise ClipnError(f"{text}: write it as {form}")
        if len(set(values)) < len(values):
            raise ClipnError(f"{text}: something is named twice; name each once")
    return lists


def parse_pairs(texts: Iterable[str]) -> dict[str, list[str]]:
    """`ID:OOD,OOD` texts as a mapping; errors as in `parse_lists`, or for an ID dataset among its own OOD datasets."""
    pairs = parse_lists("--pair", texts, "ID:OOD,OOD, e.g. imagenet:sun,places")
    for id_dataset, ood_datasets in pairs.items():
        if id_dataset in ood_datasets:
            raise ClipnError(f"--pair {id_dataset}: cannot be OOD of itself; name other datasets behind the colon")
    return pairs


def parse_copies(texts: Iterable[str] | None) -> dict[str, Path]:
    """`DATASET:FOLDER` texts as a mapping; errors as in `parse_named`."""
    return {name: Path(folder) for name, folder in parse_named("--unpacked", texts or [], "DATASET:FOLDER").items()}


def parse_logit_scale(text: str) -> float | None:
    """A positive number; None for `checkpoint`, whose own scale it then is.

    Raises:
        ClipnError: neither.
    """
    if text == "checkpoint":
        return None
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    # Also False for NaN.
    if not 0 < scale <= LARGEST_SCALE:
        raise ClipnError(f"--logit-scale {text!r}: give a positive number up to {LARGEST_SCALE:,.0f}, or `checkpoint`")
    return scale


def positive(parameter: typer.CallbackParam, value: float) -> float:
    """The number of an option that multiplies logits or cosines; raises ClipnError where it is none."""
    # Also False for NaN.
    if not 0 < value <= LARGEST_SCALE:
        raise ClipnError(f"{parameter.opts[0]} {value}: give a positive number up to {LARGEST_SCALE:,.0f}")
    return value


def finite(parameter: typer.CallbackParam, value: float) -> float:
    """The number of an option, which its range does not keep from being NaN; raises ClipnError then."""
    if not math.isfinite(value):
        raise ClipnError(f"--{parameter.name} {value}: give a finite number")
    return value


def parse_shots(text: str, least: int) -> int | None:
    """Images of every class; None: all.

    Raises:
        ClipnError: it is neither `all` nor a whole number of at least `least`.
    """
    if text != "all" and not (text.isdecimal() and int(text) >= least):
        raise ClipnError(f"--shots {text!r}: give a whole number of {least} or more, or `all`")
    return None if text == "all" else int(text)
