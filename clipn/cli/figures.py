"""Subcommands that draw figures, each as PNG and PDF."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clipn.cli.options import Device, RegistryFile, Threads, parse_copies, parse_logit_scale
from clipn.errors import ClipnError

figure_app = typer.Typer(help="Draw a figure as PNG and PDF.", no_args_is_help=True)

Scores = Annotated[list[Path], typer.Argument(help="scores of runs")]
Table = Annotated[Path, typer.Argument(help="table of the study, as CSV")]
Known = Annotated[str, typer.Option("--id", help="ID dataset")]
Backbone = Annotated[str, typer.Option(help="which runs to draw")]
Study = Annotated[str, typer.Option(help="name of the study")]
Datasets = Annotated[Path, typer.Option(help="folder with one indexed dataset per folder")]
Png = Annotated[Path, typer.Option(help="PNG to write")]
Pdf = Annotated[Path, typer.Option(help="PDF to write")]
Kind = Literal["scores", "roc", "reliability"]


def _score_figure(kind: Kind, summary: str) -> None:
    """Register the command of a figure that is drawn from scores."""

    def command(
        scores: Scores, known: Known, backbone: Backbone, study: Study, datasets: Datasets, png: Png, pdf: Pdf
    ) -> None:
        from clipn.report import figures, reading

        draw = {"scores": figures.score_histograms, "roc": figures.roc_curves, "reliability": figures.reliability}[kind]
        figures.save(draw(reading.read_scores(scores), known, backbone, study, reading.titles(datasets)), png, pdf)

    figure_app.command(kind, help=summary)(command)


_score_figure("scores", "Score histograms, ID against OOD.")
_score_figure("roc", "ROC curves, one panel per OOD set.")
_score_figure("reliability", "How far the decisions without a threshold can be trusted.")


@figure_app.command()
def intervals(
    table: Table,
    known: Known,
    backbone: Backbone,
    study: Study,
    datasets: Datasets,
    variant: Annotated[list[str], typer.Option(help="variant to show; repeat")],
    prompts: Annotated[str, typer.Option(help="name of the prompt pool to show")],
    png: Png,
    pdf: Pdf,
) -> None:
    """AUROC and FPR95 with their intervals, from metrics.csv."""
    from clipn.report import figures, reading

    figure = figures.intervals(
        reading.read_table(table), known, backbone, study, reading.titles(datasets), variant, prompts
    )
    figures.save(figure, png, pdf)


@figure_app.command()
def ablations(
    table: Table,
    known: Known,
    base: Annotated[str, typer.Option(help="variant that the others differ from")],
    study: Study,
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
) -> None:
    """What single settings do, from ablations.csv."""
    from clipn.report import figures, reading

    rows = reading.read_table(table)
    if known not in set(rows["id"]):
        raise ClipnError(f"{table}: has no rows of ID dataset {known!r}; add a pair or ablations to the study")
    figure = figures.ablations(rows[rows["id"] == known], study, reading.titles(datasets), base)
    figures.save(figure, png, pdf)


@figure_app.command()
def published(table: Table, study: Study, datasets: Datasets, png: Png, pdf: Pdf) -> None:
    """Measured against published figures, from published.csv."""
    from clipn.report import figures, reading

    figures.save(figures.published(reading.read_table(table), study, reading.titles(datasets)), png, pdf)


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
    from clipn.report import figures, reading

    logs, backbone_logs = reading.read_histories(runs or []), reading.read_backbone_histories(backbone or [])
    figures.save(figures.training_curves(logs, backbone_logs, study), png, pdf)


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
    prompts: Annotated[str, typer.Option(help="prompt pool, or a .txt file with a template per line")] = "clipn128",
    logit_scale: Annotated[str, typer.Option(help="what multiplies cosines; `checkpoint`: its own")] = "100",
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """What "no" learned: images of each class against the texts of each class."""
    import torch

    from clipn.compute import prepare_torch
    from clipn.data.description import read_description
    from clipn.data.manifest import read_manifest
    from clipn.evaluation.detector import Detector
    from clipn.evaluation.similarity import similarity_table
    from clipn.features.images import read_image_features
    from clipn.model.checkpoint import load
    from clipn.report import figures

    prepare_torch(device, threads)
    known = read_description(description)
    detector = Detector(load(checkpoint, device), known.classes, prompts, parse_logit_scale(logit_scale))
    images = torch.from_numpy(read_image_features(features))
    table = similarity_table(detector, images, read_manifest(manifest)["label"].to_list())
    figures.save(figures.similarity(table, study, backbone, variant, known.title, len(known.classes)), png, pdf)


@figure_app.command()
def mistakes(
    scores: Annotated[Path, typer.Argument(help="scores of a run")],
    known: Known,
    study: Study,
    registry: RegistryFile,
    archives: Annotated[Path, typer.Option(help="folder with one folder of archives per dataset")],
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
    unpacked: Annotated[list[str] | None, typer.Option(help="DATASET:FOLDER of an unpacked copy; repeat")] = None,
) -> None:
    """The images behind the most confident mistakes of a run."""
    from clipn.data.registry import load_registry
    from clipn.report import figures, reading
    from clipn.report.figures.gallery import METHOD, Albums, gallery

    albums = Albums(load_registry(registry), registry.parent, archives, parse_copies(unpacked))
    (run,), described = reading.read_scores([scores]), reading.descriptions(datasets)
    if known not in described:
        raise ClipnError(f"--id {known!r}: {datasets} has no such dataset; name one of {', '.join(described)}")
    found = gallery(run.scores, known, described[known].classes, albums)
    title = described[known].title
    figure = figures.mistakes(found, study, title, run.backbone, run.variant, METHOD, reading.titles(datasets))
    figures.save(figure, png, pdf)
