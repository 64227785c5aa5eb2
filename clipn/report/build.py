"""From the files of a study to its tables, figures and page."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.data.description import Description, read_description
from clipn.errors import ClipnError
from clipn.evaluate import OFFICIAL
from clipn.files import read_json, require
from clipn.report import html, series, tables
from clipn.report.figures import RunLog
from clipn.report.words import AVERAGE, fixed

PACKAGES = (
    "clipn",
    "torch",
    "open_clip_torch",
    "snakemake",
    "dvc",
    "numpy",
    "pandas",
    "scikit-learn",
    "matplotlib",
)
SUMMARY = (
    "CLIPN gives CLIP a second text encoder that says “no” and so tells images of known classes "
    "(in-distribution, ID) from unknown ones (out-of-distribution, OOD), knowing nothing but class names. "
    "Every number on this page was computed by this pipeline; its benchmark data are listed at the end."
)
DEMO_NOTE = (
    " The demo study runs on a small generated world with a small backbone trained on the spot: its numbers are "
    "real measurements, but not those of the paper."
)
MANY = 8
"""Archives of one dataset that the page lists one by one."""
COMMANDS = ("make install", "source .venv/bin/activate", "snakemake --cores 8 all --config study={study}")


@dataclass(frozen=True)
class PageFiles:
    """What the page is made of."""

    metrics: Sequence[Path]
    figures: Sequence[Path]
    datasets: Path
    shards: Path | None = None


def read_metrics(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Metrics of runs, in the order of `paths`."""
    return [read_json(path) for path in paths]


def read_scores(paths: Iterable[Path]) -> list[series.ScoredRun]:
    """Scores of runs, in the order of `paths`."""
    return [series.read_scores(path) for path in paths]


def read_histories(paths: Iterable[Path]) -> list[RunLog]:
    """Training histories `.../<backbone>/<variant>/seed<k>.csv`; those without a step are left out.

    Raises:
        ClipnError: a file is missing or named otherwise.
    """
    logs = []
    for path in paths:
        match = re.fullmatch(r".*?([^/]+)/([^/]+)/seed(\d+)\.csv", require(path).as_posix())
        if match is None:
            raise ClipnError(f"{path}: expected .../<backbone>/<variant>/seed<k>.csv; rename the file")
        log = pd.read_csv(path)
        if len(log):
            logs.append(RunLog(match[1], match[2], int(match[3]), log))
    return logs


def read_backbone_histories(paths: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """Training histories `<backbone>.csv` by backbone."""
    return {path.stem: pd.read_csv(require(path)) for path in paths}


def descriptions(datasets: Path) -> dict[str, Description]:
    """Descriptions of the indexed datasets in a folder, by name."""
    return {path.parent.name: read_description(path) for path in sorted(datasets.glob("*/dataset.json"))}


def titles(datasets: Path) -> dict[str, str]:
    """Printed names of the indexed datasets in a folder."""
    return {name: description.title for name, description in descriptions(datasets).items()}


def markdown(table: pd.DataFrame, known: str, names: Mapping[str, str]) -> str:
    """The wide form of a table, or a sentence in place of an empty one."""
    if table.empty:
        return f"This study has no ID dataset {names.get(known, known)}.\n"
    return tables.wide(table, names)


def summary(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Averages over OOD sets in percent, nested: ID dataset, backbone, variant, method, measure."""
    nested: dict[str, Any] = {}
    for known in dict.fromkeys(row["id"] for run in metrics for row in run["ood"]):
        table = tables.ood_table(metrics, known)
        for row in table[(table["ood"] == AVERAGE) & (table["ood_version"] == OFFICIAL)].to_dict("records"):
            place = nested.setdefault(known, {}).setdefault(row["backbone"], {}).setdefault(row["variant"], {})
            place[row["method"]] = {measure: float(fixed(row[measure])) for measure in ("auroc", "fpr95")}
    return nested


def page(files: PageFiles, study: str, settings: str, known: Sequence[str]) -> str:
    """The study's HTML page."""
    metrics = read_metrics(files.metrics)
    context = html.Context(
        study=study,
        summary=SUMMARY + (DEMO_NOTE if study == "demo" else ""),
        settings=settings,
        ood={name: tables.ood_table(metrics, name) for name in known},
        decisions=tables.decisions_table(metrics),
        id_accuracy=tables.id_accuracy_table(metrics),
        pictures=[_picture(path, titles(files.datasets)) for path in files.figures],
        sources=list(_sources(files, metrics)),
        captions=list(_captions(files)),
        versions={package: version(package) for package in PACKAGES},
        commands=[command.format(study=study) for command in COMMANDS],
        titles=titles(files.datasets),
    )
    return html.page(context)


def _picture(path: Path, names: Mapping[str, str]) -> html.Picture:
    """A figure with the caption that its file name calls for."""
    known = names.get(path.stem.split("_")[0], path.stem.split("_")[0])
    captions = {
        "scores": f"Scores of {known} images against each OOD set; further right is more in-distribution.",
        "roc": f"ROC curves with {known} as the positive class; the line marks 95 % of ID accepted.",
        "training": "Losses per training step; CLIPN's parts before weighting, and the backbone's contrastive loss.",
    }
    kind = next(kind for kind in captions if kind in path.stem)
    return html.Picture(path.read_bytes(), captions[kind], captions[kind])


def _sources(files: PageFiles, metrics: Sequence[Mapping[str, Any]]) -> Iterator[html.Source]:
    described = descriptions(files.datasets)
    used = dict.fromkeys(row[role] for run in metrics for row in run["ood"] for role in ("id", "ood"))
    for name in [*used, *(copy.source for copy in _captions(files))]:
        found = described[name]
        for archive, digest, proof in _archives(name, found):
            yield html.Source(found.title, found.images, archive, digest, proof)


def _archives(name: str, found: Description) -> list[tuple[str, str, str]]:
    """Archive, sha256 and proof of every line about a dataset; one line for what is in place or in very many files."""
    if not found.archives:
        return [("", "", "in place")]
    if len(found.archives) > MANY:
        listed = f"{len(found.archives)} archives, see datasets/{name}/dataset.json"
        return [(listed, "", ", ".join(sorted(set(found.proof.values()))))]
    return [(archive, digest, found.proof[archive]) for archive, digest in found.archives.items()]


def _captions(files: PageFiles) -> Iterator[html.CaptionCopy]:
    """What the statistics of the shards say of each caption source."""
    if files.shards is not None:
        for name, counts in read_json(files.shards)["sources"].items():
            yield html.CaptionCopy(name, counts["captions"], counts["with_image"], counts.get("trained_on"))
