"""Subcommands that draw figures, each as PNG and PDF."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import (
    Datasets,
    Device,
    LogitScale,
    PromptPool,
    RegistryFile,
    Threads,
    UnpackedCopies,
    parse_copies,
    parse_logit_scale,
)

figure_app = typer.Typer(help="Draw a figure as PNG and PDF.", no_args_is_help=True)

Scores = Annotated[list[Path], typer.Argument(help="scores of runs")]
Table = Annotated[Path, typer.Argument(help="table of the study, as CSV")]
IdDataset = Annotated[str, typer.Option("--id", help="ID dataset")]
Backbone = Annotated[str, typer.Option(help="which runs to draw")]
Study = Annotated[str, typer.Option(help="name of the study")]
Variants = Annotated[list[str], typer.Option("--variant", help="variant to show; repeat")]
Prompts = Annotated[str, typer.Option(help="name of the prompt pool to show")]
Png = Annotated[Path, typer.Option(help="PNG to write")]
Pdf = Annotated[Path, typer.Option(help="PDF to write")]


@figure_app.command()
def scores(
    scores: Scores, id_dataset: IdDataset, backbone: Backbone, study: Study, datasets: Datasets, png: Png, pdf: Pdf
) -> None:
    """Score histograms, ID against OOD."""
    from clipn.report.figures.context import draw_from_scores
    from clipn.report.figures.histograms import score_histograms

    draw_from_scores(score_histograms, scores, id_dataset, backbone, study, datasets, png, pdf)


@figure_app.command()
def roc(
    scores: Scores, id_dataset: IdDataset, backbone: Backbone, study: Study, datasets: Datasets, png: Png, pdf: Pdf
) -> None:
    """ROC curves, one panel per OOD set."""
    from clipn.report.figures.context import draw_from_scores
    from clipn.report.figures.roc import roc_curves

    draw_from_scores(roc_curves, scores, id_dataset, backbone, study, datasets, png, pdf)


@figure_app.command()
def reliability(
    scores: Scores, id_dataset: IdDataset, backbone: Backbone, study: Study, datasets: Datasets, png: Png, pdf: Pdf
) -> None:
    """How far the decisions without a threshold can be trusted."""
    from clipn.report.figures.context import draw_from_scores
    from clipn.report.figures.reliability import reliability

    draw_from_scores(reliability, scores, id_dataset, backbone, study, datasets, png, pdf)


@figure_app.command()
def intervals(
    table: Table,
    id_dataset: IdDataset,
    backbone: Backbone,
    study: Study,
    datasets: Datasets,
    variants: Variants,
    prompts: Prompts,
    png: Png,
    pdf: Pdf,
) -> None:
    """AUROC and FPR95 with their intervals, from metrics.csv."""
    from clipn.report.figures.intervals import draw_intervals

    draw_intervals(table, id_dataset, backbone, study, datasets, variants, prompts, png, pdf)


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
    """What single settings do, from ablations.csv."""
    from clipn.report.figures.ablations import draw_ablations

    draw_ablations(table, id_dataset, base, study, datasets, png, pdf)


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


@figure_app.command()
def similarity(
    checkpoint: Annotated[Path, typer.Option(help="a run's checkpoint")],
    features: Annotated[Path, typer.Option(help="image features of the ID dataset")],
    manifest: Annotated[Path, typer.Option(help="manifest of the ID dataset")],
    description: Annotated[Path, typer.Option(help="description of the ID dataset")],
    study: Study,
    backbone: Annotated[str, typer.Option(help="name of the run's backbone")],
    variant: Annotated[str, typer.Option(help="name of the run's variant")],
    png: Png,
    pdf: Pdf,
    prompts: PromptPool = "clipn128",
    logit_scale: LogitScale = "100",
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """What "no" learned: images of each class against the texts of each class."""
    from clipn.report.figures.similarity import SimilarityInputs, draw_similarity

    inputs = SimilarityInputs(checkpoint, features, manifest, description, prompts, parse_logit_scale(logit_scale))
    draw_similarity(inputs, study, backbone, variant, device, threads, png, pdf)


@figure_app.command()
def mistakes(
    scores: Annotated[Path, typer.Argument(help="scores of a run")],
    id_dataset: IdDataset,
    study: Study,
    registry: RegistryFile,
    archives: Annotated[Path, typer.Option(help="folder with one folder of archives per dataset")],
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
    unpacked: UnpackedCopies = None,
) -> None:
    """The images behind the most confident mistakes of a run."""
    from clipn.report.figures.gallery import draw_mistakes

    draw_mistakes(scores, id_dataset, study, registry, archives, parse_copies(unpacked), datasets, png, pdf)
