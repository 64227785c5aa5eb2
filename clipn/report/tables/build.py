"""From the files of a study to its tables and what the figures draw."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.errors import ClipnError
from clipn.evaluation.evaluate import OFFICIAL
from clipn.files import write_text
from clipn.report.formatting import AVERAGE, fixed
from clipn.report.published_numbers import load_published
from clipn.report.reading import read_metrics, read_table
from clipn.report.tables import intervals, wide
from clipn.report.tables import ood as tables
from clipn.report.tables import printed as twins
from clipn.report.tables.ablations import Ablation, ablations_table
from clipn.report.tables.grid import Grid, to_latex, to_markdown
from clipn.report.tables.ood import to_csv
from clipn.report.tables.published import published_table
from clipn.scores import SCORES

REFERENCE = "atd"
"""The method that all others are compared with."""


@dataclass(frozen=True)
class Comparison:
    """What is shown and compared: variants in order, the base of the ablations, its prompt pool, the ablations."""

    variants: Sequence[str]
    base: str
    prompts: str
    ablations: Sequence[Ablation] = ()


def ood_grid(table: pd.DataFrame, known: str, names: Mapping[str, str]) -> Grid:
    """The wide form of a table; a sentence in place of an empty one."""
    if table.empty:
        return Grid(f"This study has no ID dataset {names.get(known, known)}.", "", (), (), 0)
    return wide.grid(wide.layout(table, names))


def shown(table: pd.DataFrame, variants: Sequence[str], prompts: str) -> pd.DataFrame:
    """The rows of some variants under one prompt pool, and those of methods with a pool of their own."""
    pool = table["method"].map(lambda method: SCORES[method].prompts or prompts) if "method" in table else prompts
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
    known = {name: weights for name, _, weights in parts}
    measured = read_table(table)
    singles = intervals.single_runs(read_metrics(metrics))
    means, runs = (
        rows.assign(source=[known.get(backbone, backbone) for backbone in rows["backbone"]])
        for rows in (measured, singles)
    )
    return published_table(means, runs, load_published(published), study)


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


def write_table(folder: Path, name: str, table: pd.DataFrame, grid: Grid | None = None) -> None:
    """Write a table as CSV and, where it has a form for reading, as Markdown and LaTeX."""
    write_text(folder / f"{name}.csv", to_csv(table))
    if grid is not None:
        write_text(folder / f"{name}.md", to_markdown(grid))
        write_text(folder / f"{name}.tex", to_latex(grid))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, measures rounded as in the CSV, None where there is no value."""

    def plain(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        return float(text) if (text := fixed(value)) else None

    return [{str(key): plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def other_tables(
    metrics: Sequence[Mapping[str, Any]],
    replicates: intervals.Replicates,
    study: str,
    asked: Comparison,
    names: Mapping[str, str],
) -> Iterator[tuple[str, pd.DataFrame, Grid | None]]:
    """Name, rows and printed form of every table over all ID datasets."""
    accuracy = tables.id_accuracy_table(metrics)
    yield "id_accuracy", accuracy, twins.accuracy_grid(accuracy, study, names)
    decisions = tables.decisions_table(metrics)
    yield "decisions", decisions, twins.decisions_grid(shown(decisions, asked.variants, asked.prompts), study, names)
    measured = intervals.metrics_table(metrics, replicates)
    yield "metrics", measured, None
    chosen = shown(measured, asked.variants, asked.prompts)
    differences = intervals.differences_table(chosen, replicates, REFERENCE, asked.base, asked.prompts)
    yield "differences", differences, twins.differences_grid(differences, study, names)
    every = pd.concat([tables.ood_table(metrics, known) for known in _known(metrics)], ignore_index=True)
    curves = ablations_table(every, asked.ablations, asked.base, asked.prompts)
    yield "ablations", curves, twins.ablations_grid(curves, study, names)


def summary(metrics: Sequence[Mapping[str, Any]], prompts: str) -> dict[str, Any]:
    """Averages over OOD sets in percent, nested: ID dataset, backbone, variant, method, measure.

    Args:
        metrics: parsed metrics files.
        prompts: the prompt pool to show; methods with a pool of their own are there, too.
    """
    nested: dict[str, Any] = {}
    under_pool = [run for run in metrics if run["prompts"] == prompts]
    for known in _known(metrics):
        table = tables.ood_table(under_pool, known)
        for row in table[(table["ood"] == AVERAGE) & (table["ood_version"] == OFFICIAL)].to_dict("records"):
            place = nested.setdefault(known, {}).setdefault(row["backbone"], {}).setdefault(row["variant"], {})
            place[row["method"]] = {measure: float(fixed(row[measure])) for measure in ("auroc", "fpr95")}
    return nested


def _known(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["id"] for run in metrics for row in run["ood"]))
