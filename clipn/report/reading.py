"""What tables, figures and the page read: metrics, replicates, scores, histories, descriptions, tables."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.data.description import Description, read_description
from clipn.errors import ClipnError
from clipn.evaluation import score_table
from clipn.evaluation.replicates import read_replicates
from clipn.files import read_json, require
from clipn.study.names import RunName, Scoring

NUMBERS = (
    "auroc", "auroc_sd", "auroc_low", "auroc_high", "fpr95", "fpr95_sd", "fpr95_low", "fpr95_high",
    "mean", "sd", "low", "high", "difference", "top1", "top1_sd",
    "ece", "ece_sd", "nll", "nll_sd", "brier", "brier_sd", "temperature", "temperature_sd",
    "id_accepted", "id_accepted_sd", "ood_rejected", "ood_rejected_sd", "balanced_accuracy", "balanced_accuracy_sd",
    "measured", "published", "tolerance", "images", "run", "runs",
)  # fmt: skip
"""Columns of tables that hold numbers."""
WHOLE = ("images", "run", "runs")
"""Columns of whole numbers among them."""


@dataclass(frozen=True)
class ScoredRun:
    """One run and its scores: columns `id`, `dataset` and one float64 column per method."""

    backbone: str
    variant: str
    prompts: str
    seed: int
    scores: pd.DataFrame


@dataclass(frozen=True)
class RunLog:
    """Training log of one run: columns `step,epoch,matched,unmatched,tso,total,learning_rate`."""

    backbone: str
    variant: str
    seed: int
    log: pd.DataFrame


def read_scores(paths: Iterable[Path]) -> list[ScoredRun]:
    """Scores `.../<backbone>/<variant>/<prompts>/seed<k>.parquet`, in the order of `paths`.

    Raises:
        ClipnError: a file is missing, its path has another form, or it is not a scores file.
    """
    runs = []
    for path in paths:
        name = Scoring.of(require(path))
        runs.append(ScoredRun(name.backbone, name.variant, name.prompts, int(name.seed), score_table.read_scores(path)))
    return runs


def read_metrics(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Metrics of runs, in the order of `paths`."""
    return [read_json(path) for path in paths]


def read_histories(paths: Iterable[Path]) -> list[RunLog]:
    """Training histories `.../<backbone>/<variant>/seed<k>.csv`; those without a step are left out.

    Raises:
        ClipnError: a file is missing or named otherwise.
    """
    logs = []
    for path in paths:
        name = RunName.of(require(path))
        log = pd.read_csv(path)
        # A variant with 0 epochs is a control: its history has a header and nothing to draw.
        if len(log):
            logs.append(RunLog(name.backbone, name.variant, int(name.seed), log))
    return logs


def read_backbone_histories(paths: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """Training histories `<backbone>.csv` by backbone."""
    return {path.stem: pd.read_csv(require(path)) for path in paths}


def read_descriptions(datasets: Path) -> dict[str, Description]:
    """Descriptions of the indexed datasets in a folder, by name."""
    return {path.parent.name: read_description(path) for path in sorted(datasets.glob("*/dataset.json"))}


def read_titles(datasets: Path) -> dict[str, str]:
    """Printed names of the indexed datasets in a folder."""
    return {name: description.title for name, description in read_descriptions(datasets).items()}


def read_replicates_of(paths: Iterable[Path]) -> Iterator[pd.DataFrame]:
    """Replicates of runs, which lie beside their metrics, in the order of `paths`."""
    # One by one, as those of all runs together would fill the memory of the step.
    return (read_replicates(path.with_suffix(".parquet")) for path in paths)


def read_table(path: Path) -> pd.DataFrame:
    """A table of the study as it was written; texts stay texts, whatever they look like.

    Raises:
        ClipnError: the file is missing, or no table.
    """
    try:
        # All as text first: pandas would take the variant "none" or a setting's "nan" for a missing value, and a
        # backbone called 007 for a number.
        table = pd.read_csv(require(path), dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ClipnError(f"{path}: not a CSV table ({error}); name one of the study's tables") from error
    numbers = {column: pd.to_numeric(table[column]) for column in table.columns.intersection([*NUMBERS])}
    # Nullable, as a number of a run is missing where a row stands for a mean; a float would print as "2.0".
    whole = table.columns.intersection([*WHOLE])
    return table.assign(**numbers).astype(dict.fromkeys(whole, "Int64"))
