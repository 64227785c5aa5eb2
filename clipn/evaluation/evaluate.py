"""Turn the scores of a run into its metrics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.compute import described
from clipn.data.cleaning import CLEAN
from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.evaluation.replicates import write_replicates
from clipn.evaluation.score_table import RULE, read_scores
from clipn.files import write_json
from clipn.metrics import CONVENTION, measures
from clipn.metrics.bootstrap import Replicates, replicate, resamples
from clipn.metrics.calibration import expected_calibration_error
from clipn.progress import tracked
from clipn.scores import CALIBRATION, COLUMNS, FITTED, IMPORTED, RULES, SCORES

Pairs = Mapping[str, Sequence[str]]
Draw = Callable[[int, int, str], NDArray[np.uint8]]
MEASURES = Replicates._fields


@dataclass(frozen=True)
class MetricOptions:
    """How scores become metrics.

    Attributes:
        conventions: names in `clipn.metrics.CONVENTIONS`; the first is that of the column `fpr95`.
        resamples: of the images, for the intervals; 0: none.
    """

    conventions: Sequence[str] = (CONVENTION,)
    resamples: int = 0


def evaluate_runs(
    runs: Mapping[Path, tuple[Path, Mapping[str, str | int]]], pairs: Pairs, options: MetricOptions
) -> None:
    """Write `<output>.json` and `<output>.parquet` of several runs, as `evaluate` does for one.

    Args:
        runs: scores of every run and what names it, by its output without an ending.
        pairs: OOD datasets of every ID dataset.
        options: conventions and resamples.
    """
    # All runs and methods share the draws of an image set; without the cache each would draw them again.
    draw = cache(resamples)
    for output, (scores, names) in tracked(runs.items(), len(runs), "evaluate", "runs"):
        # Not `with_suffix`: the name of a backbone may hold a dot, and so may that of a run.
        metrics, replicates = (output.with_name(f"{output.name}.{ending}") for ending in ("json", "parquet"))
        evaluate(scores, pairs, names, options, metrics, replicates, draw=draw)


def evaluate(
    scores: Path,
    pairs: Pairs,
    run: Mapping[str, str | int],
    options: MetricOptions,
    output: Path,
    replicates: Path,
    *,
    draw: Draw = resamples,
) -> None:
    """Write the metrics of one run as JSON, and those of the resamples as Parquet; all of them fractions.

    Args:
        scores: Parquet of `clipn.evaluation.scoring.score_pairs`.
        pairs: OOD datasets of every ID dataset.
        run: what names the run: study, backbone, variant, seed, prompts.
        options: conventions and resamples.
        output: JSON: the names, the arithmetic, and lists `ood`, `id_accuracy` and `decisions` of records.
        replicates: Parquet: a row per record of `ood` and per measure, with the list of its values in the resamples.
        draw: as `clipn.metrics.bootstrap.resamples`.
    """
    table = read_scores(scores)
    if run["prompts"] == IMPORTED or str(run["variant"]).startswith(FITTED):
        # Others may have scored some of the ID datasets only, and not all of them have training images.
        pairs = {id_dataset: ood for id_dataset, ood in pairs.items() if (table["id"] == id_dataset).any()}
    cells = [cell for pair in pairs.items() for cell in _cells(scores, table, *pair, str(run["prompts"]))]
    record = {
        **run,
        "convention": options.conventions[0],
        "arithmetic": described(),
        "ood": [_measured(cell, options.conventions) for cell in cells],
        # Scores of others tell no class.
        "id_accuracy": [
            {"id": id_dataset, **_accuracy(part(table, id_dataset, id_dataset))}
            for id_dataset in (pairs if "prediction" in table else ())
        ],
        "decisions": [row for pair in pairs.items() for row in _decisions(table, *pair)],
    }
    write_replicates(replicates, _replicated(cells, options.resamples, draw))
    write_json(output, record)


def part(scores: pd.DataFrame, id_dataset: str, dataset: str) -> pd.DataFrame:
    """Rows of one dataset's images, scored under the classes of an ID dataset."""
    return scores[(scores["id"] == id_dataset) & (scores["dataset"] == dataset)]


@dataclass(frozen=True)
class _Cell:
    """The scores behind one record: of ID images, and of one image list of an OOD dataset."""

    names: dict[str, str]
    id_scores: NDArray[np.float64]
    ood_scores: NDArray[np.float64]


def _cells(
    path: Path, scores: pd.DataFrame, id_dataset: str, ood_datasets: Sequence[str], prompts: str
) -> Iterator[_Cell]:
    for name in (id_dataset, *ood_datasets):
        if part(scores, id_dataset, name).empty:
            raise ClipnError(f"{path}: no images of {name} under the classes of {id_dataset}; score that pair first")
    id_part = part(scores, id_dataset, id_dataset)
    versions = [(name, *version) for name in ood_datasets for version in _versions(part(scores, id_dataset, name))]
    for method in _methods(id_part):
        pool = (SCORES[method].prompts if method in SCORES else None) or prompts
        for name, ood_version, ood_part in versions:
            names = {"id": id_dataset, "ood": name, "ood_version": ood_version, "prompts": pool, "method": method}
            yield _Cell(names, id_part[method].to_numpy(), ood_part[method].to_numpy())


def _methods(id_part: pd.DataFrame) -> list[str]:
    """Columns that hold scores of an ID dataset: our methods in their order, then those of others."""
    # Not in the order of the columns, so that records of two runs can be laid side by side.
    scored = {str(name) for name in id_part.select_dtypes("float64").dropna(axis="columns")} - {*COLUMNS}
    return [*(name for name in SCORES if name in scored), *(name for name in id_part if name in scored - SCORES.keys())]


def _measured(cell: _Cell, conventions: Sequence[str]) -> dict[str, Any]:
    found = measures(cell.id_scores, cell.ood_scores, conventions)
    return cell.names | {
        "auroc": found.auroc,
        "aupr_id": found.aupr_id,
        "aupr_ood": found.aupr_ood,
        "fpr95": found.fpr95[conventions[0]],
        "fpr95_by_convention": found.fpr95,
        "id_images": len(cell.id_scores),
        "ood_images": len(cell.ood_scores),
    }


def _accuracy(id_part: pd.DataFrame) -> dict[str, Any]:
    """Of the ID images that have a label: their number, the share that is predicted right, and `_calibration`."""
    labelled = id_part[id_part["label"] >= 0]
    is_right = (labelled["prediction"] == labelled["label"]).to_numpy()
    top1 = float(is_right.mean()) if len(labelled) else None
    return {"images": len(labelled), "top1": top1, **_calibration(labelled, is_right)}


def _calibration(labelled: pd.DataFrame, is_right: NDArray[np.bool_]) -> dict[str, float | None]:
    """What the probabilities of labelled images are worth; None where the scores do not say."""
    if labelled.empty or not {*CALIBRATION} <= {*labelled}:
        return dict.fromkeys(("ece", "nll", "brier", "temperature"))
    temperature = float(labelled["temperature"].iloc[0])
    return {
        "ece": expected_calibration_error(labelled["confidence"].to_numpy(), is_right),
        "nll": float(labelled["nll"].to_numpy().mean()),
        "brier": float(labelled["brier"].to_numpy().mean()),
        "temperature": None if np.isnan(temperature) else temperature,
    }


def _replicated(cells: Sequence[_Cell], count: int, draw: Draw) -> Iterator[dict[str, Any]]:
    """Names, measure and values of every cell in `count` resamples; an image set is resampled alike for all."""
    if count == 0:
        return
    for cell in cells:
        id_counts = draw(len(cell.id_scores), count, cell.names["id"])
        ood_counts = draw(len(cell.ood_scores), count, f"{cell.names['ood']} {cell.names['ood_version']}")
        for measure, values in replicate(cell.id_scores, cell.ood_scores, id_counts, ood_counts)._asdict().items():
            # Seven digits are more than resampling itself can tell.
            yield {**cell.names, "measure": measure, "values": values.astype(np.float32)}


def _decisions(scores: pd.DataFrame, id_dataset: str, ood_datasets: Sequence[str]) -> Iterator[dict[str, Any]]:
    for rule in (name for name in RULES if f"{RULE}{name}" in scores):
        id_accepted = float(part(scores, id_dataset, id_dataset)[f"{RULE}{rule}"].mean())
        for name in ood_datasets:
            for ood_version, ood_part in _versions(part(scores, id_dataset, name)):
                ood_rejected = 1 - float(ood_part[f"{RULE}{rule}"].mean())
                yield {
                    "id": id_dataset,
                    "ood": name,
                    "ood_version": ood_version,
                    "rule": rule,
                    "id_accepted": id_accepted,
                    "ood_rejected": ood_rejected,
                    "balanced_accuracy": (id_accepted + ood_rejected) / 2,
                }


def _versions(ood_part: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """All images of an OOD dataset, then those that each of its cleaning lists keeps."""
    yield OFFICIAL, ood_part
    for column in map(str, ood_part.filter(regex=f"^{CLEAN}")):
        # A table of several datasets has the list's column for all of them, empty where it says nothing.
        if ood_part[column].any():
            yield f"{column.removeprefix(CLEAN)}_clean", ood_part[ood_part[column].fillna(False)]
