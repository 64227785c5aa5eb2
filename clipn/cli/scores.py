"""Subcommands that bring scores of others beside our own."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clipn.cli.options import Datasets, Output, StudyName, parse_named
from clipn.errors import ClipnError

scores_app = typer.Typer(help="Bring scores that others computed beside our own.", no_args_is_help=True)


@scores_app.command("import")
def import_scores(
    name: Annotated[str, typer.Argument(help="name of the method, as tables will show it")],
    files: Annotated[list[str], typer.Argument(help="DATASET:FILE of the ID dataset and of each of its OOD datasets")],
    id_dataset: Annotated[str, typer.Option("--id", help="ID dataset whose classes the images were scored under")],
    backbone: Annotated[str, typer.Option(help="backbone of the study that the scores were computed on")],
    higher: Annotated[str, typer.Option(help="what has higher scores: id or ood")],
    column: Annotated[str, typer.Option(help="column, or array of an NPZ file, that holds the scores")] = "score",
    study: StudyName = None,
) -> None:
    """Enter per-image scores (CSV, Parquet or NPZ, a file per dataset) into a study, whose tables then show them.

    With a column `file` (or path, name, image, filename) images are found by name; without it they must come in the
    order of the dataset's manifest.
    """
    from clipn.study.importing import enter_scores

    paths = parse_named("FILES", files, "DATASET:FILE")
    written = enter_scores(study, name, {"backbone": backbone, "higher": higher, "column": column}, id_dataset, paths)
    typer.echo(f"{written}: written; `snakemake all` puts {name} into the tables")


@scores_app.command()
def collect(
    method: Annotated[list[str], typer.Option(help="NAME:HIGHER:COLUMN, with HIGHER `id` or `ood`; repeat")],
    file: Annotated[list[str], typer.Option(help="NAME:ID:DATASET:FILE; repeat")],
    datasets: Datasets,
    output: Output,
) -> None:
    """Bring the scores of others on one backbone to the form of our own."""
    from clipn.evaluation.imported import ImportedMethod, SetScores, import_scores

    sets: dict[str, list[SetScores]] = {}
    for text in file:
        name, id_dataset, dataset, path = _parts("--file", text, "NAME:ID:DATASET:FILE")
        sets.setdefault(name, []).append(SetScores(id_dataset, dataset, Path(path)))
    methods = [
        ImportedMethod(name, higher, column, sets.get(name, []))
        for name, higher, column in (_parts("--method", text, "NAME:HIGHER:COLUMN") for text in method)
    ]
    import_scores(methods, datasets, output)


def _parts(option: str, text: str, form: str) -> Any:
    """Parts of a text between colons; the last may hold some."""
    parts = text.split(":", form.count(":"))
    if len(parts) <= form.count(":") or not all(parts):
        raise ClipnError(f"{option} {text!r}: write it as {form}")
    return parts
