"""The step that writes the HTML page of a study from its files."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.data.description import Description
from clipn.files import file_hash, read_json, write_text
from clipn.report.formatting import AVERAGE
from clipn.report.page import html
from clipn.report.page.pictures import picture
from clipn.report.page.standings import standings
from clipn.report.page.traces import traces
from clipn.report.reading import read_descriptions, read_metrics, read_table
from clipn.report.tables import layouts
from clipn.report.tables.aggregate import arithmetic_of
from clipn.report.tables.build import shown
from clipn.report.tables.ood import ood_table
from clipn.report.tables.published import printed_published
from clipn.report.tables.verdict import EQUAL, compared_rows, sentences

PACKAGES = (
    "clipn",
    "torch",
    "open_clip_torch",
    "snakemake",
    "dvc",
    "numpy",
    "pandas",
    "matplotlib",
)
SUMMARY = (
    "CLIPN gives CLIP a second text encoder that says “no” and so tells images of known classes "
    "(in-distribution, ID) from unknown ones (out-of-distribution, OOD), knowing nothing but class names. "
    "Every number on this page but the published ones was computed by this pipeline; its data are listed at the end."
)
MANY = 8
"""Archives of one dataset that the page lists one by one."""
COMMANDS = ("make install", "source .venv/bin/activate", "snakemake --cores 8 all --config study={study}")


@dataclass(frozen=True)
class PageFiles:
    """What the page is made of.

    Attributes:
        metrics: of the runs.
        figures: PNG files, in order.
        weights: backbones and checkpoints.
        folder: of the study, with `tables`.
        datasets: folder with one indexed dataset per folder.
        shards: statistics of the shards, if something is trained.
    """

    metrics: Sequence[Path]
    figures: Sequence[Path]
    weights: Sequence[Path]
    folder: Path
    datasets: Path
    shards: Path | None = None


@dataclass(frozen=True)
class PageContents:
    """What the page shows and says.

    Attributes:
        study: name of the study.
        settings: its settings, as YAML text.
        id_datasets: identifiers of its ID datasets, in order.
        variants: those that tables show, in order.
        prompts: name of the prompt pool that tables show.
        remarks: sentences about all tables.
        differences: in what the libraries differ that made the files behind the page; empty if in nothing.
        averages: OOD sets with an average of their own, by its name, of all ID datasets.
    """

    study: str
    settings: str
    id_datasets: Sequence[str]
    variants: Sequence[str]
    prompts: str
    remarks: Sequence[str] = ()
    differences: str = ""
    averages: Mapping[str, Collection[str]] = field(default_factory=dict)


def write_page(files: PageFiles, shows: PageContents, output: Path) -> None:
    """Write the study's page as one HTML file; raises as `page`."""
    write_text(output, page(files, shows))


def page(files: PageFiles, shows: PageContents) -> str:
    """The study's HTML page.

    Raises:
        ClipnError: a file is missing or damaged.
    """
    metrics = read_metrics(files.metrics)
    described = read_descriptions(files.datasets)
    titles = {name: found.title for name, found in described.items()}
    tables = {name: _ood_table(metrics, name, shows) for name in shows.id_datasets}
    context = html.Context(
        study=shows.study,
        verdict=sentences(read_table(files.folder / "tables/published.csv"))[0],
        summary=[SUMMARY, *shows.remarks],
        settings=shows.settings,
        standings={name: standings(table) for name, table in tables.items()},
        ood={name: layouts.printed_ood(table, titles) for name, table in tables.items()},
        sections=list(_sections(files.folder / "tables", shows, titles)),
        pictures=[picture(path, shows.id_datasets, titles) for path in files.figures],
        traces=traces(files.metrics, metrics, shows.settings, shows.study, files.folder),
        sources=list(_sources(files, metrics, described)),
        weights=[html.Weights(os.path.relpath(path, files.folder), file_hash(path)) for path in files.weights],
        captions=list(_captions(files)),
        arithmetic=arithmetic_of(metrics),
        differences=shows.differences,
        settings_hash=hashlib.sha256(shows.settings.encode()).hexdigest(),
        versions={package: version(package) for package in PACKAGES},
        commands=[command.format(study=shows.study) for command in COMMANDS],
        titles=titles,
    )
    return html.page(context)


def _ood_table(metrics: Sequence[Mapping[str, Any]], id_dataset: str, shows: PageContents) -> pd.DataFrame:
    """What is shown of the table of an ID dataset, with the averages over OOD sets that all are its own."""
    ood_datasets = {row["ood"] for run in metrics for row in run["ood"] if row["id"] == id_dataset}
    averages = {name: sets for name, sets in shows.averages.items() if {*sets} <= ood_datasets}
    return shown(ood_table(metrics, id_dataset, averages), shows.variants, shows.prompts)


def _sections(folder: Path, shows: PageContents, titles: Mapping[str, str]) -> Iterator[html.Section]:
    study = shows.study
    published = read_table(folder / "published.csv")
    # Hundreds of equal numbers say no more than the sentence that counts them.
    folded = "Number by number" if set(compared_rows(published)["verdict"]) == {EQUAL} else ""
    tables = printed_published(published, titles)
    note = " ".join(sentences(published))
    yield html.Section("published", "Recorded and published numbers", note, tables, folded)
    note = "Whether the images at hand tell two methods apart, on the same backbone."
    # Averages alone: all OOD sets are several screens, and stand in the Markdown table.
    differences = read_table(folder / "differences.csv")
    averages = differences[differences["ood"] == AVERAGE]
    yield html.Section("differences", "Differences", note, [layouts.printed_differences(averages, study, titles)])
    decisions = shown(read_table(folder / "decisions.csv"), shows.variants, shows.prompts)
    none = "No run of this study has a “no” tower and a rule."
    note = "The rules decide by the “no” tower alone: no threshold is chosen on any data." if len(decisions) else none
    tables = [layouts.printed_decisions(rows, study, titles) for _, rows in decisions.groupby("id", sort=False)]
    yield html.Section("decisions", "Threshold-free decisions", note, tables)
    accuracy = read_table(folder / "id_accuracy.csv")
    fitted = layouts.fitted_kinds(accuracy)
    but = f", but for classifiers that are fitted on training images ({fitted})" if fitted else ""
    note = f"The “yes” tower is frozen, so all variants of a backbone share it{but}."
    yield html.Section("accuracy", "ID accuracy", note, [layouts.printed_accuracy(accuracy, study, titles)])
    curves = read_table(folder / "ablations.csv")
    if len(curves):
        note = "Variants that differ in one setting from the first; prompt pools and backbones of the first variant."
        yield html.Section("ablations", "Ablations", note, [layouts.printed_ablations(curves, study, titles)])
    streams = read_table(folder / "test_time.csv")
    if len(streams):
        note = "Numbers that depend on order, batch and mix of the test images, and compare with none of those above."
        tables = [layouts.printed_streams(streams, study, titles)]
        yield html.Section("test-time", "Methods that adapt on the test stream", note, tables)


def _sources(
    files: PageFiles, metrics: Sequence[Mapping[str, Any]], described: Mapping[str, Description]
) -> Iterator[html.Source]:
    # Those of the metrics, not all that are indexed: a study's folder may hold datasets of an earlier version of it.
    used = dict.fromkeys(row[role] for run in metrics for row in run["ood"] for role in ("id", "ood"))
    datasets = os.path.relpath(files.datasets, files.folder)
    for name in [*used, *(copy.source for copy in _captions(files))]:
        found = described[name]
        archives: list[tuple[str, str, str]] = [
            (archive, digest, found.proof[archive]) for archive, digest in found.archives.items()
        ]
        if not archives:
            archives = [("", "", "in place")]
        elif len(archives) > MANY:
            # A web-scale source comes in thousands of shards; one line stands for them.
            listed = f"{len(archives)} archives, see {datasets}/{name}/dataset.json"
            archives = [(listed, "", ", ".join(sorted(set(found.proof.values()))))]
        for archive, digest, proof in archives:
            yield html.Source(found.title, found.images, archive, digest, proof)


def _captions(files: PageFiles) -> Iterator[html.CaptionCopy]:
    """What the statistics of the shards say of each caption source."""
    if files.shards is not None:
        for name, counts in read_json(files.shards)["sources"].items():
            yield html.CaptionCopy(name, counts["captions"], counts["with_image"], counts.get("trained_on"))
