"""Subcommands that write tables and the report."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.figures import figure_app

app = typer.Typer(help="Tables, figures and the page of a study.", no_args_is_help=True)
app.add_typer(figure_app, name="figure")

Metrics = Annotated[list[Path], typer.Argument(help="metrics of runs, in the order of the table")]
Known = Annotated[str, typer.Option("--id", help="ID dataset")]
Tables = Annotated[Path, typer.Option(help="folder to write to")]
Datasets = Annotated[Path, typer.Option(help="folder with one indexed dataset per folder")]
Study = Annotated[str, typer.Option(help="name of the study")]
Variants = Annotated[list[str], typer.Option("--variant", help="variant to show; repeat")]
Prompts = Annotated[str, typer.Option(help="name of the prompt pool to show")]


@app.command("ood-table")
def ood_table(
    metrics: Metrics, known: Known, tables: Tables, datasets: Datasets, variant: Variants, prompts: Prompts
) -> None:
    """AUROC and FPR95 of every method against every OOD set of one ID dataset: CSV, JSON, Markdown, LaTeX."""
    from clipn.files import write_json
    from clipn.report import reading
    from clipn.report.tables import build
    from clipn.report.tables.ood import ood_table as tidy

    table, name = tidy(reading.read_metrics(metrics), known), f"{known}_ood"
    shown = build.shown(table, variant, prompts)
    build.write_table(tables, name, table, build.ood_grid(shown, known, reading.titles(datasets)))
    write_json(tables / f"{name}.json", build.records(table))


@app.command("tables")
def other_tables(
    metrics: Metrics,
    study: Study,
    tables: Tables,
    datasets: Datasets,
    variant: Variants,
    base: Annotated[str, typer.Option(help="variant that others are compared with")],
    prompts: Prompts,
    ablation: Annotated[list[str] | None, typer.Option(help="SETTING:VALUE:VARIANT; repeat")] = None,
) -> None:
    """ID accuracy, decisions, all measures with intervals, paired differences, ablations, over all ID datasets.

    The replicates of each run lie beside its metrics.
    """
    from clipn.report import reading
    from clipn.report.tables import build
    from clipn.report.tables.intervals import mean_replicates

    runs = reading.read_metrics(metrics)
    replicates = mean_replicates(runs, reading.read_replicates_of(metrics))
    asked = build.Comparison(variant, base, prompts, build.parse_ablations(ablation or []))
    for name, table, grid in build.other_tables(runs, replicates, study, asked, reading.titles(datasets)):
        build.write_table(tables, name, table, grid)


@app.command("published-table")
def published_table(
    metrics: Metrics,
    table: Annotated[Path, typer.Option(help="metrics.csv of the same runs")],
    published: Annotated[Path, typer.Option(help="published numbers")],
    study: Study,
    datasets: Datasets,
    csv: Annotated[Path, typer.Option(help="CSV to write")],
    markdown: Annotated[Path, typer.Option(help="Markdown to write")],
    source: Annotated[list[str] | None, typer.Option(help="BACKBONE:ARCHITECTURE/TAG; repeat")] = None,
) -> None:
    """Measured and published numbers side by side."""
    from clipn.files import write_text
    from clipn.report import reading
    from clipn.report.tables import build
    from clipn.report.tables.ood import to_csv
    from clipn.report.tables.published import published_markdown

    compared = build.compared(metrics, table, published, study, source or [])
    write_text(csv, to_csv(compared))
    write_text(markdown, published_markdown(compared, reading.titles(datasets)))


@app.command()
def summary(metrics: Metrics, prompts: Prompts, output: Annotated[Path, typer.Option(help="JSON to write")]) -> None:
    """Averages over OOD sets as nested JSON, for `dvc metrics`."""
    from clipn.files import write_json
    from clipn.report import reading
    from clipn.report.tables import build

    write_json(output, build.summary(reading.read_metrics(metrics), prompts))


@app.command()
def page(
    metrics: Metrics,
    study: Study,
    settings: Annotated[str, typer.Option(help="the study's settings, as YAML text")],
    known: Annotated[list[str], typer.Option("--id", help="ID dataset; repeat")],
    variant: Variants,
    prompts: Prompts,
    figure: Annotated[list[Path], typer.Option(help="PNG; repeat")],
    weights: Annotated[list[Path], typer.Option(help="backbone or checkpoint; repeat")],
    folder: Annotated[Path, typer.Option(help="folder of the study")],
    output: Annotated[Path, typer.Option(help="HTML to write")],
    shards: Annotated[Path | None, typer.Option(help="statistics of the shards, if something is trained")] = None,
) -> None:
    """The whole study as one self-contained HTML page."""
    from clipn.files import write_text
    from clipn.report.page import build as report

    files = report.PageFiles(metrics, figure, weights, folder, shards)
    write_text(output, report.page(files, study, settings, known, variant, prompts))
