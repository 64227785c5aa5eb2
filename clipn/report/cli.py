"""Subcommands that write tables, figures and the report."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Tables, figures and the page of a study.", no_args_is_help=True)

Metrics = Annotated[list[Path], typer.Argument(help="metrics of runs, in the order of the table")]
Scores = Annotated[list[Path], typer.Argument(help="scores of runs: .../<backbone>/<variant>/seed<k>.parquet")]
Known = Annotated[str, typer.Option("--id", help="ID dataset")]
Csv = Annotated[Path, typer.Option(help="CSV to write")]
Markdown = Annotated[Path, typer.Option(help="Markdown to write")]
Png = Annotated[Path, typer.Option(help="PNG to write")]
Pdf = Annotated[Path, typer.Option(help="PDF to write")]
Datasets = Annotated[Path, typer.Option(help="folder with one indexed dataset per folder")]


@app.command("ood-table")
def ood_table(metrics: Metrics, known: Known, csv: Csv, markdown: Markdown, datasets: Datasets) -> None:
    """AUROC and FPR95 of every method against every OOD set of one ID dataset."""
    from clipn.files import write_text
    from clipn.report import build, tables

    table = tables.ood_table(build.read_metrics(metrics), known)
    write_text(csv, tables.to_csv(table))
    write_text(markdown, build.markdown(table, known, build.titles(datasets)))


@app.command("id-accuracy-table")
def id_accuracy_table(metrics: Metrics, csv: Csv) -> None:
    """Top-1 accuracy on the ID datasets."""
    from clipn.files import write_text
    from clipn.report import build, tables

    write_text(csv, tables.to_csv(tables.id_accuracy_table(build.read_metrics(metrics))))


@app.command("decisions-table")
def decisions_table(metrics: Metrics, csv: Csv) -> None:
    """ID accepted, OOD rejected and their mean, for the rules that need no threshold."""
    from clipn.files import write_text
    from clipn.report import build, tables

    write_text(csv, tables.to_csv(tables.decisions_table(build.read_metrics(metrics))))


@app.command()
def summary(metrics: Metrics, output: Annotated[Path, typer.Option(help="JSON to write")]) -> None:
    """Averages over OOD sets as nested JSON, for `dvc metrics`."""
    from clipn.files import write_json
    from clipn.report import build

    write_json(output, build.summary(build.read_metrics(metrics)))


@app.command("score-figure")
def score_figure(
    scores: Scores,
    known: Known,
    backbone: Annotated[str, typer.Option(help="which runs to draw")],
    study: Annotated[str, typer.Option()],
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
) -> None:
    """Score histograms, ID against OOD."""
    from clipn.report import build, figures

    runs = build.read_scores(scores)
    figures.save(figures.score_histograms(runs, known, backbone, study, build.titles(datasets)), png, pdf)


@app.command("roc-figure")
def roc_figure(
    scores: Scores,
    known: Known,
    backbone: Annotated[str, typer.Option(help="which runs to draw")],
    study: Annotated[str, typer.Option()],
    datasets: Datasets,
    png: Png,
    pdf: Pdf,
) -> None:
    """ROC curves, one panel per OOD set."""
    from clipn.report import build, figures

    runs = build.read_scores(scores)
    figures.save(figures.roc_curves(runs, known, backbone, study, build.titles(datasets)), png, pdf)


@app.command("training-figure")
def training_figure(
    study: Annotated[str, typer.Option()],
    png: Png,
    pdf: Pdf,
    runs: Annotated[
        list[Path] | None, typer.Argument(help="histories of runs: .../<backbone>/<variant>/seed<k>.csv")
    ] = None,
    backbone: Annotated[list[Path] | None, typer.Option(help="history of a backbone; repeat")] = None,
) -> None:
    """Loss curves of CLIPN and of the backbones that were trained here."""
    from clipn.report import build, figures

    logs, backbone_logs = build.read_histories(runs or []), build.read_backbone_histories(backbone or [])
    figures.save(figures.training_curves(logs, backbone_logs, study), png, pdf)


@app.command()
def page(
    metrics: Metrics,
    study: Annotated[str, typer.Option()],
    settings: Annotated[str, typer.Option(help="the study's settings, as YAML text")],
    known: Annotated[list[str], typer.Option("--id", help="ID dataset; repeat")],
    figure: Annotated[list[Path], typer.Option(help="PNG; repeat")],
    datasets: Datasets,
    output: Annotated[Path, typer.Option(help="HTML to write")],
    shards: Annotated[Path | None, typer.Option(help="statistics of the shards, if something is trained")] = None,
) -> None:
    """The whole study as one self-contained HTML page."""
    from clipn.files import write_text
    from clipn.report import build

    files = build.PageFiles(metrics, figure, datasets, shards)
    write_text(output, build.page(files, study, settings, known))
