"""Subcommands that write tables and the report."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.figures import IdDataset, Prompts, Study, Variants, figure_app
from clipn.cli.options import Datasets, Output
from clipn.plain_text import one_line

app = typer.Typer(help="Tables, figures and the page of a study.", no_args_is_help=True)
app.add_typer(figure_app, name="figure")

Metrics = Annotated[list[Path], typer.Argument(help="metrics of runs, in the order of the table")]
IdDatasets = Annotated[list[str], typer.Option("--id", help="ID dataset; repeat")]
Averages = Annotated[list[str] | None, typer.Option(help="NAME:OOD,OOD, a further average; repeat")]
Remarks = Annotated[list[str] | None, typer.Option("--remark", help="sentence below every table; repeat")]
Tables = Annotated[Path, typer.Option(help="folder to write to")]


@app.command("ood-table")
def ood_table(
    metrics: Metrics,
    id_dataset: IdDataset,
    tables: Tables,
    datasets: Datasets,
    variants: Variants,
    prompts: Prompts,
    average: Averages = None,
    remarks: Remarks = None,
) -> None:
    """AUROC and FPR95 of every method against every OOD set of one ID dataset: CSV, JSON, Markdown, LaTeX."""
    from clipn.report.tables.build import parse_averages, write_ood_table

    subsets = parse_averages(average or [])
    write_ood_table(metrics, id_dataset, tables, datasets, variants, prompts, subsets, remarks or [])


@app.command("tables")
def other_tables(
    metrics: Metrics,
    study: Study,
    tables: Tables,
    datasets: Datasets,
    variants: Variants,
    base: Annotated[str, typer.Option(help="variant that others are compared with")],
    prompts: Prompts,
    ablation: Annotated[list[str] | None, typer.Option(help="SETTING:VALUE:VARIANT; repeat")] = None,
    remarks: Remarks = None,
) -> None:
    """ID accuracy, decisions, all measures with intervals, paired differences, ablations, over all ID datasets.

    The replicates of each run lie beside its metrics.
    """
    from clipn.report.tables.build import TableOptions, parse_ablations, write_other_tables

    options = TableOptions(variants, base, prompts, parse_ablations(ablation or []), remarks or [])
    write_other_tables(metrics, study, tables, datasets, options)


@app.command("published-table")
def published_table(
    metrics: Metrics,
    table: Annotated[Path, typer.Option(help="metrics.csv of the same runs")],
    published: Annotated[Path, typer.Option(help="published numbers")],
    study: Study,
    datasets: Datasets,
    csv: Annotated[Path, typer.Option(help="CSV to write", writable=True)],
    markdown: Annotated[Path, typer.Option(help="Markdown to write", writable=True)],
    source: Annotated[list[str] | None, typer.Option(help="BACKBONE:ARCHITECTURE/TAG; repeat")] = None,
    remarks: Remarks = None,
) -> None:
    """Measured and published numbers side by side."""
    from clipn.report.tables.build import write_published_table

    write_published_table(metrics, table, published, study, datasets, csv, markdown, source or [], remarks or [])


@app.command("streams-table")
def streams_table(
    study: Study,
    tables: Tables,
    datasets: Datasets,
    metrics: Annotated[list[Path] | None, typer.Argument(help="metrics of streams, in the order of the table")] = None,
    remarks: Remarks = None,
) -> None:
    """AUROC and FPR95 of methods that adapt on the test stream, in every stream: CSV, Markdown, LaTeX."""
    from clipn.report.tables.build import write_streams_table

    write_streams_table(metrics or [], study, tables, datasets, remarks or [])


@app.command()
def summary(
    id_datasets: IdDatasets,
    output: Annotated[Path, typer.Option(help="folder to write to")],
    metrics: Annotated[list[Path] | None, typer.Argument(help="metrics of the runs of one variant")] = None,
) -> None:
    """Averages over the OOD sets of every method, as `<ID dataset>.json`, for `dvc metrics`."""
    from clipn.report.tables.build import write_summary

    write_summary(metrics or [], id_datasets, output)


@app.command()
def page(
    metrics: Metrics,
    study: Study,
    settings: Annotated[str, typer.Option(help="the study's settings, as YAML text")],
    id_datasets: IdDatasets,
    variants: Variants,
    prompts: Prompts,
    figure: Annotated[list[str], typer.Option(help="name of a figure in the folder of the study; repeat")],
    weights: Annotated[list[Path], typer.Option(help="backbone or checkpoint; repeat")],
    folder: Annotated[Path, typer.Option(help="folder of the study")],
    datasets: Datasets,
    output: Annotated[Path, typer.Option(help="HTML to write", writable=True)],
    shards: Annotated[Path | None, typer.Option(help="statistics of the shards, if something is trained")] = None,
    average: Averages = None,
    remarks: Remarks = None,
) -> None:
    """The whole study as one self-contained HTML page."""
    from clipn.compute import described, variables
    from clipn.provenance.records import differences, made_with, read_records
    from clipn.provenance.stage_files import ancestors
    from clipn.report.page.build import PageContents, PageFiles, write_page
    from clipn.report.tables.build import parse_averages

    figures = [folder / "figures" / f"{name}.png" for name in figure]
    files = PageFiles(metrics, figures, weights, folder, datasets, shards)
    records = read_records(Path())
    behind = made_with(ancestors([str(path) for path in (*metrics, *figures, *weights)], records), records, Path())
    behind.setdefault(" ".join([described(), *variables()]), []).append(str(output))
    averages, differing = parse_averages(average or []), differences(behind)
    shown = PageContents(study, settings, id_datasets, variants, prompts, remarks or [], differing, averages)
    write_page(files, shown, output)


@app.command()
def leaderboard(output: Output) -> None:
    """All studies of this project that are finished, on one page: what can be compared, each number with its trace."""
    from clipn.provenance.leaderboard.page import write_leaderboard

    found = write_leaderboard(Path(), output)
    typer.echo(f"{output}: {found.tables} tables of {found.studies} studies")
    for name, reason in found.left_out.items():
        typer.echo(one_line(f"left out: {name}: {reason}"))
