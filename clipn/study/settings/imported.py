"""Scores of others that a study takes in, under names of their own."""

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field

from clipn.adaptation import ADAPTIVE
from clipn.scores import COLUMNS, RULES, SCORES
from clipn.yaml_models import FileName, Record


class ImportedScores(Record):
    """Scores of a method that others computed, which `clipn scores import` enters."""

    backbone: FileName = Field(description="backbone of the study that they were computed on")
    higher: Literal["id", "ood"] = Field(description="what has higher scores")
    column: str = Field(default="score", description="column, or array of an NPZ file, that holds the scores")
    files: dict[FileName, dict[FileName, str]] = Field(
        min_length=1, description="ID dataset -> itself and its OOD datasets -> CSV, Parquet or NPZ"
    )


def require_own_names(imported: Collection[str]) -> None:
    """Raise a ValueError if a method has the name of one of our own, or of a column of score files."""
    for name in imported:
        if name in SCORES or name in RULES:
            raise ValueError(f"imported: {name!r} is a method of our own; choose another name")
        if name in ADAPTIVE:
            raise ValueError(
                f"imported: {name!r} adapts on the test stream, and stands beside no other score; leave it out"
            )
        if name in COLUMNS or name.startswith(("clean_", "accepts_")):
            raise ValueError(f"imported: {name!r} is a column of score files; choose another name")


def require_scores_of_pairs(
    imported: Mapping[str, ImportedScores], backbones: Collection[str], pairs: Mapping[str, Collection[str]]
) -> None:
    """Raise a ValueError if scores are on no backbone of the study, or not of all sets of an ID dataset."""
    for name, scores in imported.items():
        if scores.backbone not in backbones:
            known = ", ".join(backbones)
            raise ValueError(f"imported.{name}.backbone: no backbone {scores.backbone!r}; choose among {known}")
        for id_dataset, files in scores.files.items():
            expected = {id_dataset, *pairs.get(id_dataset, [])}
            if id_dataset not in pairs or files.keys() != expected:
                sets = ", ".join(sorted(expected)) if id_dataset in pairs else f"no pair of {id_dataset}"
                raise ValueError(f"imported.{name}.files.{id_dataset}: name a file of each of its sets: {sets}")
