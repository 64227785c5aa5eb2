"""Turn the scores of a run into its metrics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.data.cleaning import CLEAN
from clipn.errors import ClipnError
from clipn.evaluation.replicates import write_replicates
from clipn.files import require, write_json
from clipn.metrics import CONVENTION, measures
from clipn.metrics.bootstrap import Replicates, replicate, resamples
from clipn.scores import RULES, SCORES

OFFICIAL = "official"
"""Name of the unabridged image list of an OOD dataset; the images that a cleaning list keeps are `<list>_clean`."""

Pairs = Mapping[str, Sequence[str]]
MEASURES = Replicates._fields


@dataclass(frozen=True)
class Reading:
    """How scores become metrics.

    Attributes:
        conventions: names in `clipn.metrics.CONVENTIONS`; the first is that of the column `fpr95`.
        resamples: of the images, for the intervals; 0: none.
    """

    conventions: Sequence[str] = (CONVENTION,)
    resamples: int = 0


def evaluate(
    scores: Path, pairs: Pairs, run: Mapping[str, str | int], reading: Reading, output: Path, replicates: Path
) -> None:
    """Write the metrics of one run as JSON, and those of the resamples as Parquet; all of them fractions.

    Args:
        scores: Parquet of `score_run`.
        pairs: OOD datasets of every ID dataset.
        run: what names the run: study, backbone, variant, seed, prompts.
        reading: conventions and resamples.
        output: JSON: the names, and lists `ood`, `id_accuracy` and `decisions` of records.
        replicates: Parquet: a row per record of `ood` and per measure, with the list of its values in the resamples.
    """
    table = read_scores(scores)
    cells = [cell for known in pairs for cell in _cells(table, known, pairs[known], str(run["prompts"]))]
    record = {
        **run,
        "convention": reading.conventions[0],
        "ood": [_measured(cell, reading.conventions) for cell in cells],
        "id_accuracy": [_id_accuracy(table, known) for known in pairs],
        "decisions": [row for known in pairs for row in _decisions(table, known, pairs[known])],
    }
    write_replicates(replicates, _replicated(cells, reading.resamples))
    write_json(output, record)


def read_scores(path: Path) -> pd.DataFrame:
    """Scores as written by `score_run`.

    Raises:
        ClipnError: missing or damaged file.
    """
    try:
        scores = pd.read_parquet(require(path))
    except (OSError, ValueError) as error:
        raise ClipnError(f"{path}: not a Parquet file; delete it and score the run again") from error
    if not {"id", "dataset"} <= set(scores.columns):
        raise ClipnError(f"{path}: no columns `id` and `dataset`; delete it and score the run again")
    return scores


def part(scores: pd.DataFrame, known: str, dataset: str) -> pd.DataFrame:
    """Rows of one dataset's images under the classes of the ID dataset `known`."""
    return scores[(scores["id"] == known) & (scores["dataset"] == dataset)]


@dataclass(frozen=True)
class _Cell:
    """The scores behind one record: of ID images, and of one image list of an OOD dataset."""

    names: dict[str, str]
    known: NDArray[np.float64]
    unknown: NDArray[np.float64]


def _cells(scores: pd.DataFrame, known: str, unknown: Sequence[str], prompts: str) -> Iterator[_Cell]:
    for name in (known, *unknown):
        if part(scores, known, name).empty:
            raise ClipnError(f"scores: no images of {name} under the classes of {known}; score that pair first")
    id_part = part(scores, known, known)
    versions = [(name, *version) for name in unknown for version in _versions(part(scores, known, name))]
    for method in (name for name in SCORES if name in scores):
        pool = SCORES[method].prompts or prompts
        for name, ood_version, ood_part in versions:
            names = {"id": known, "ood": name, "ood_version": ood_version, "prompts": pool, "method": method}
            yield _Cell(names, id_part[method].to_numpy(), ood_part[method].to_numpy())


def _measured(cell: _Cell, conventions: Sequence[str]) -> dict[str, Any]:
    found = measures(cell.known, cell.unknown, conventions)
    return cell.names | {
        "auroc": found.auroc,
        "aupr_id": found.aupr_id,
        "aupr_ood": found.aupr_ood,
        "fpr95": found.fpr95[conventions[0]],
        "fpr95_by_convention": found.fpr95,
        "id_images": len(cell.known),
        "ood_images": len(cell.unknown),
    }


def _replicated(cells: Sequence[_Cell], count: int) -> Iterator[dict[str, Any]]:
    """Names, measure and values of every cell in `count` resamples; an image set is resampled alike for all."""
    if count == 0:
        return
    drawn = cache(partial(resamples, count=count))
    for cell in cells:
        names = cell.names
        known = drawn(len(cell.known), name=names["id"])
        unknown = drawn(len(cell.unknown), name=f"{names['ood']} {names['ood_version']}")
        for measure, values in replicate(cell.known, cell.unknown, known, unknown)._asdict().items():
            yield {**names, "measure": measure, "values": values.astype(np.float32)}


def _id_accuracy(scores: pd.DataFrame, known: str) -> dict[str, Any]:
    id_part = part(scores, known, known)
    correct = id_part["prediction"] == id_part["label"]
    return {"id": known, "images": len(id_part), "top1": float(correct.mean())}


def _decisions(scores: pd.DataFrame, known: str, unknown: Sequence[str]) -> Iterator[dict[str, Any]]:
    for rule in (name for name in RULES if f"accepts_{name}" in scores):
        id_accepted = float(part(scores, known, known)[f"accepts_{rule}"].mean())
        for name in unknown:
            for ood_version, ood_part in _versions(part(scores, known, name)):
                ood_rejected = 1 - float(ood_part[f"accepts_{rule}"].mean())
                yield {
                    "id": known,
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
        if ood_part[column].any():
            yield f"{column.removeprefix(CLEAN)}_clean", ood_part[ood_part[column].fillna(False)]
