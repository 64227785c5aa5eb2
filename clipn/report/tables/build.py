"""The steps that write the tables of a study, and what is shown in them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.files import write_json, write_text
from clipn.report.formatting import AVERAGE, dataset_title, fixed
from clipn.report.published_numbers import load_published
from clipn.report.reading import read_metrics, read_replicates_of, read_table, read_titles
from clipn.report.tables import intervals, layouts
from clipn.report.tables.ablations import Ablation, ablations_table
from clipn.report.tables.aggregate import arithmetic_of
from clipn.report.tables.ood import decisions_table, id_accuracy_table, ood_table, to_csv
from clipn.report.tables.printed import PrintedTable, to_latex, to_markdown
from clipn.report.tables.published import published_markdown, published_table
from clipn.report.tables.streams import streams_table
from clipn.scores import IMPORTED, SCORES

REFERENCE = "atd"
"""The method that all others are compared with."""
EXACT = ("mean", "measured", "published", "difference")
"""Columns that are compared with recorded numbers, and so are no rounded ones."""


@dataclass(frozen=True)
class TableOptions:
    """What is shown and compared: variants in order, the base of the ablations, its prompt pool, the ablations.

    `remarks` are sentences below every table.
    """

    variants: Sequence[str]
    base: str
    prompts: str
    ablations: Sequence[Ablation] = ()
    remarks: Sequence[str] = ()


def parse_ablations(texts: Sequence[str]) -> list[Ablation]:
    """`SETTING:VALUE:VARIANT` texts.

    Raises:
        ClipnError: a text has another form.
    """
    parts = [text.split(":") for text in texts]
    for text, part in zip(texts, parts, strict=True):
        if len(part) != 3:
            raise ClipnError(f"--ablation {text!r}: write it as SETTING:VALUE:VARIANT, e.g. losses:itbo:itbo_only")
    return [Ablation(*part) for part in parts]


def parse_averages(texts: Sequence[str]) -> dict[str, list[str]]:
    """`NAME:OOD,OOD` texts.

    Raises:
        ClipnError: a text has another form.
    """
    parts = [text.partition(":") for text in texts]
    for text, (name, _, ood_datasets) in zip(texts, parts, strict=True):
        if not name or not ood_datasets:
            raise ClipnError(f"--average {text!r}: write it as NAME:OOD,OOD, e.g. near:ssb_hard,ninco")
    return {name: ood_datasets.split(",") for name, _, ood_datasets in parts}


def write_ood_table(
    metrics: Sequence[Path], id_dataset: str, folder: Path, datasets: Path, variants: Sequence[str], prompts: str,
    subsets: Mapping[str, Collection[str]], remarks: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write `<ID dataset>_ood` as CSV and JSON, and what is shown of it as Markdown and LaTeX.

    Args:
        metrics: JSON of the runs, in the order of the table.
        id_dataset: identifier; without metrics of it the printed forms are a sentence.
        folder: where the table goes.
        datasets: folder with one indexed dataset per folder.
        variants: those shown.
        prompts: prompt pool shown.
        subsets: OOD sets with an average of their own, as of `ood_table`.
        remarks: sentences below it.
    """
    runs, titles = read_metrics(metrics), read_titles(datasets)
    table = ood_table(runs, id_dataset, subsets)
    rows, arithmetic = shown(table, variants, prompts), arithmetic_of(runs)
    nothing = PrintedTable(f"This study has no ID dataset {dataset_title(id_dataset, titles)}.")
    printed = nothing if rows.empty else layouts.printed_ood(rows, titles)
    write_table(folder, f"{id_dataset}_ood", table, arithmetic, printed, remarks)
    write_json(folder / f"{id_dataset}_ood.json", records(table.assign(arithmetic=arithmetic)))


def write_other_tables(
    metrics: Sequence[Path], study: str, folder: Path, datasets: Path, options: TableOptions
) -> None:
    """Write every table over all ID datasets; the replicates of each run lie beside its metrics."""
    runs = read_metrics(metrics)
    replicates = intervals.mean_replicates(runs, read_replicates_of(metrics))
    for name, table, printed in other_tables(runs, replicates, study, options, read_titles(datasets)):
        write_table(folder, name, table, arithmetic_of(runs), printed, options.remarks)


def write_published_table(
    metrics: Sequence[Path],
    table: Path,
    published: Path,
    study: str,
    datasets: Path,
    csv: Path,
    markdown: Path,
    sources: Sequence[str],
    remarks: Sequence[str] = (),
) -> None:
    """Write measured numbers beside the published ones; arguments as of `compared`, the files to write, and remarks."""
    rows = compared(metrics, table, published, study, sources)
    arithmetic = arithmetic_of(read_metrics(metrics))
    write_text(csv, to_csv(rows.assign(arithmetic=arithmetic), EXACT))
    below = " ".join([*remarks, f"Arithmetic: {arithmetic}."])
    write_text(markdown, f"{published_markdown(rows, read_titles(datasets))}\n{below}\n")


def write_streams_table(
    metrics: Sequence[Path], study: str, folder: Path, datasets: Path, remarks: Sequence[str] = ()
) -> None:
    """Write `test_time`, of the methods that adapt on the test stream; without metrics it is a header alone."""
    runs = read_metrics(metrics)
    table = streams_table(runs)
    printed = layouts.printed_streams(table, study, read_titles(datasets))
    write_table(folder, "test_time", table, arithmetic_of(runs), printed, remarks)


def write_summary(metrics: Sequence[Path], id_datasets: Sequence[str], folder: Path) -> None:
    """Write `summary` of the runs as `<ID dataset>.json`, one file for each of `id_datasets`."""
    runs = read_metrics(metrics)
    for id_dataset in id_datasets:
        write_json(folder / f"{id_dataset}.json", summary(runs, id_dataset))


def write_table(
    folder: Path, name: str, table: pd.DataFrame, arithmetic: str, printed: PrintedTable | None = None,
    remarks: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write a table with its arithmetic as CSV and, where it has a form for reading, as Markdown and LaTeX.

    Where it has none, it is for programs alone, and what is compared is exact.
    """
    write_text(folder / f"{name}.csv", to_csv(table.assign(arithmetic=arithmetic), () if printed else EXACT))
    if printed is not None:
        if printed.lines:
            printed = replace(printed, note=" ".join([printed.note, *remarks, f"Arithmetic: {arithmetic}."]))
        write_text(folder / f"{name}.md", to_markdown(printed))
        write_text(folder / f"{name}.tex", to_latex(printed))


def shown(table: pd.DataFrame, variants: Sequence[str], prompts: str) -> pd.DataFrame:
    """The rows of some variants under one prompt pool, and those of methods with a pool of their own."""
    # Tables of decisions have rules in place of methods; no rule has a pool of its own.
    own = {name: score.prompts or prompts for name, score in SCORES.items()}
    pool = table["method"].map(lambda method: own.get(method, IMPORTED)) if "method" in table else prompts
    return table[table["variant"].isin(variants) & (table["prompts"] == pool)]


def compared(metrics: Iterable[Path], table: Path, published: Path, study: str, sources: Sequence[str]) -> pd.DataFrame:
    """Measured numbers beside the published ones.

    Args:
        metrics: of the runs.
        table: `metrics.csv` of the same runs.
        published: YAML of published numbers.
        study: name of the study.
        sources: `BACKBONE:ARCHITECTURE/TAG` of the backbones that came with weights.

    Raises:
        ClipnError: a file is missing or damaged, or a source has another form.
    """
    parts = [source.partition(":") for source in sources]
    for source, (name, _, weights) in zip(sources, parts, strict=True):
        if not (name and weights):
            raise ClipnError(f"--source {source!r}: write it as BACKBONE:ARCHITECTURE/TAG")
    weights_of = {name: weights for name, _, weights in parts}
    # Read back from the CSV: these means are what is recorded, too.
    measured = read_table(table)
    singles = intervals.single_runs(read_metrics(metrics))
    # A backbone trained here keeps its own name, which has no slash and so meets no published number.
    means, runs = (
        rows.assign(source=[weights_of.get(backbone, backbone) for backbone in rows["backbone"]])
        for rows in (measured, singles)
    )
    return published_table(means, runs, load_published(published), study)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, measures rounded as in the CSV, None where there is no value."""

    def plain(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        # JSON has no NaN; Python's would write one that other readers refuse.
        return float(text) if (text := fixed(value)) else None

    return [{str(key): plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def other_tables(
    metrics: Sequence[Mapping[str, Any]],
    replicates: intervals.Replicates,
    study: str,
    options: TableOptions,
    titles: Mapping[str, str],
) -> Iterator[tuple[str, pd.DataFrame, PrintedTable | None]]:
    """Name, rows and printed form of every table over all ID datasets."""
    accuracy = id_accuracy_table(metrics)
    yield "id_accuracy", accuracy, layouts.printed_accuracy(accuracy, study, titles)
    decisions = decisions_table(metrics)
    chosen = shown(decisions, options.variants, options.prompts)
    yield "decisions", decisions, layouts.printed_decisions(chosen, study, titles)
    measured = intervals.metrics_table(metrics, replicates)
    # For programs and figures: a row per measure and convention is too long to read.
    yield "metrics", measured, None
    chosen = shown(measured, options.variants, options.prompts)
    differences = intervals.differences_table(chosen, replicates, REFERENCE, options.base, options.prompts)
    yield "differences", differences, layouts.printed_differences(differences, study, titles)
    every = pd.concat([ood_table(metrics, name) for name in _id_datasets(metrics)], ignore_index=True)
    curves = ablations_table(every, measured, options.ablations, options.base, options.prompts)
    yield "ablations", curves, layouts.printed_ablations(curves, study, titles)


def summary(runs: Sequence[Mapping[str, Any]], id_dataset: str) -> dict[str, dict[str, float]]:
    """Average AUROC and FPR95 over the OOD sets of one ID dataset, in percent, by method.

    Args:
        runs: parsed metrics files, of one variant of one backbone under one prompt pool.
        id_dataset: identifier; without metrics of it there is no method.

    Raises:
        ClipnError: the runs are of several variants, backbones or pools, or as for `ood_table`.
    """
    table = ood_table(runs, id_dataset)
    rows = table[(table["ood"] == AVERAGE) & (table["ood_version"] == OFFICIAL)]
    if len(several := rows.loc[rows["method"].duplicated(), "method"]):
        raise ClipnError(f"summary: several averages of {several.iloc[0]}; give metrics of one variant and prompt pool")
    return {
        row["method"]: {measure: float(fixed(row[measure])) for measure in ("auroc", "fpr95")}
        for row in rows.to_dict("records")
    }


def _id_datasets(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["id"] for run in metrics for row in run["ood"]))
