"""Subcommands that draw figures, each as PNG and PDF."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import (
    Archives,
    ClassifiersFolder,
    Datasets,
    FeaturesFolder,
    LogitScale,
    RegistryFiles,
    UnpackedCopies,
    parse_copies,
    parse_lists,
    parse_logit_scale,
)

figure_app = typer.Typer(help="Draw a figure as PNG and PDF.", no_args_is_help=True)

Scores = Annotated[list[Path], typer.Argument(help="scores of runs")]
Table = Annotated[Path, typer.Argument(help="table of the study, as CSV")]
IdDataset = Annotated[str, typer.Option("--id", help="ID dataset")]
Study = Annotated[str, typer.Option(help="name of the study")]
Variants = Annotated[list[str], typer.Option("--variant", help="variant to show; repeat")]
Prompts = Annotated[str, typer.Option(help="name of the prompt pool to show")]
Png = Annotated[Path, typer.Option(help="PNG to write", writable=True)]
Pdf = Annotated[Path, typer.Option(help="PDF to write", writable=True)]


@figure_app.command("id-dataset")
def id_figures(
    scores: Scores,
    figure: Annotated[
        list[str],
        typer.Option(
            help="BACKBONE:KIND,KIND of scores, roc, intervals, calibration, similarity, reliability, mistakes; repeat"
        ),
    ],
    id_dataset: IdDataset,
    study: Study,
    table: Annotated[Path, typer.Option(help="metrics.csv of the study")],
    features: FeaturesFolder,
    classifiers: ClassifiersFolder,
    datasets: Datasets,
    registries: RegistryFiles,
    archives: Archives,
    variants: Variants,
    prompts: Prompts,
    output: Annotated[Path, typer.Option(help="folder to write to")],
    logit_scale: LogitScale = "100",
    unpacked: UnpackedCopies = None,
) -> None:
    """All figures of one ID dataset, each of the kinds that are named."""
    from clipn.report.figures.gallery import Albums
    from clipn.report.figures.id_figures import FigureFiles, Shown, draw_id_figures

    albums = Albums(registries, archives, parse_copies(unpacked))
    files = FigureFiles(scores, table, datasets, features, classifiers, albums)
    shown = Shown(study, id_dataset, variants, prompts, parse_logit_scale(logit_scale))
    draw_id_figures(parse_lists("--figure", figure, "BACKBONE:KIND,KIND, e.g. tiny:roc"), files, shown, output)


@figure_app.command()
def ablations(
    table: Table,
    id_dataset: IdDataset,
    base: Annotated[str, typer.Option(help="variant that the others differ from")],
    study: Study,
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
) -> None:
    """Ablations, from ablations.csv."""
    from clipn.report.figures.ablations import draw_ablations

    draw_ablations(table, id_dataset, base, study, datasets, png, pdf)


@figure_app.command()
def backbones(
    table: Annotated[Path, typer.Argument(help="id_accuracy.csv of the study")],
    metrics: Annotated[Path, typer.Option(help="metrics.csv of the study")],
    id_dataset: IdDataset,
    base: Annotated[str, typer.Option(help="variant that is shown beside the methods on plain CLIP")],
    prompts: Prompts,
    study: Study,
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
) -> None:
    """Detection and calibration of the backbones of a study against their ID accuracy."""
    from clipn.report.figures.backbones import draw_backbones

    draw_backbones(table, metrics, id_dataset, base, prompts, study, datasets, png, pdf)


@figure_app.command()
def published(table: Table, study: Study, datasets: Datasets, png: Png, pdf: Pdf) -> None:
    """Measured against published figures, from published.csv."""
    from clipn.report.figures.published import draw_published

    draw_published(table, study, datasets, png, pdf)


@figure_app.command()
def training(
    study: Study,
    png: Png,
    pdf: Pdf,
    runs: Annotated[
        list[Path] | None, typer.Argument(help="histories of runs: .../<backbone>/<variant>/seed<k>.csv")
    ] = None,
    backbone: Annotated[list[Path] | None, typer.Option(help="history of a backbone; repeat")] = None,
) -> None:
    """Loss curves of CLIPN and of the backbones that were trained here."""
    from clipn.report.figures.training import draw_training_curves

    draw_training_curves(runs or [], backbone or [], study, png, pdf)
