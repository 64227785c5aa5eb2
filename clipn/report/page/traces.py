"""What is behind the numbers of a backbone and a variant: their settings, the files of each run, and commands."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipn.files import file_hash
from clipn.report.tables.aggregate import grouped
from clipn.study.paths import study_folder


@dataclass(frozen=True)
class TracedRun:
    """A run: its prompt pool and seed, the path of its metrics in the project, and their sha256."""

    prompts: str
    seed: int
    metrics: str
    sha256: str


@dataclass(frozen=True)
class Trace:
    """What numbers come from.

    Attributes:
        backbone: name of the backbone.
        variant: name of the variant; `none` for the methods on plain CLIP.
        settings: of both, as YAML text; empty where the study says nothing of them.
        runs: those that the numbers are means of, for each prompt pool.
    """

    backbone: str
    variant: str
    settings: str
    runs: Sequence[TracedRun]


def traces(
    paths: Sequence[Path], metrics: Sequence[Mapping[str, Any]], settings: str, study: str, folder: Path
) -> list[Trace]:
    """One trace per backbone and variant, in the order of the metrics.

    Args:
        paths: files of the metrics.
        metrics: their contents.
        settings: of the study, as YAML text.
        study: its name.
        folder: of the study.
    """
    home, known = study_folder(study), yaml.safe_load(settings)
    rows = [{**run, "path": path} for path, run in zip(paths, metrics, strict=True)]
    found = []
    for (backbone, variant), members in grouped(rows, ("backbone", "variant")).items():
        of_both = {
            part: {name: known[part][name]}
            for part, name in (("backbones", backbone), ("variants", variant))
            if name in known.get(part, {})
        }
        runs = [
            TracedRun(
                run["prompts"],
                run["seed"],
                # As the project calls it, wherever the folder lies.
                os.path.normpath(Path(home) / os.path.relpath(run["path"], folder)),
                file_hash(run["path"]),
            )
            for run in members
        ]
        found.append(Trace(backbone, variant, yaml.safe_dump(of_both, sort_keys=False) if of_both else "", runs))
    return found
