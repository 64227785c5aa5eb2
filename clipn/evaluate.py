"""Turn the scores of a run into its metrics."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from clipn.data.cleaning import CLEAN
from clipn.errors import ClipnError
from clipn.files import require, write_json
from clipn.metrics import CONVENTION, auroc, fpr
from clipn.scores import RULES, SCORES

OFFICIAL = "official"
"""Name of the unabridged image list of an OOD dataset; the images that a cleaning list keeps are `<list>_clean`."""

Pairs = Mapping[str, Sequence[str]]


def evaluate(scores: Path, pairs: Pairs, run: Mapping[str, str | int], output: Path) -> None:
    """Write the metrics of one run as JSON; all of them fractions.

    Args:
        scores: Parquet of `score_run`.
        pairs: OOD datasets of every ID dataset.
        run: what names the run: study, backbone, variant, seed, prompts.
        output: JSON: the names, and lists `ood`, `id_accuracy` and `decisions` of records.
    """
    table = read_scores(scores)
    record = {
        **run,
        "convention": CONVENTION,
        "ood": [row for known in pairs for row in _ood(table, known, pairs[known])],
        "id_accuracy": [_id_accuracy(table, known) for known in pairs],
        "decisions": [row for known in pairs for row in _decisions(table, known, pairs[known])],
    }
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


def _ood(scores: pd.DataFrame, known: str, unknown: Sequence[str]) -> Iterator[dict[str, Any]]:
    id_part = part(scores, known, known)
    for method in (name for name in SCORES if name in scores):
        for name in unknown:
            for ood_version, ood_part in _versions(part(scores, known, name)):
                yield {
                    "id": known,
                    "ood": name,
                    "ood_version": ood_version,
                    "method": method,
                    "auroc": auroc(id_part[method], ood_part[method]),
                    "fpr95": fpr(id_part[method], ood_part[method]),
                    "id_images": len(id_part),
                    "ood_images": len(ood_part),
                }


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
