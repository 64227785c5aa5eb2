"""What is behind the numbers of a backbone and a variant: their settings, the files of each run, and commands."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipn.files import file_hash
from clipn.report.tables.aggregate import grouped
from clipn.study.names import family
from clipn.study.paths import study_folder
from clipn.study.settings.cooked import AnyFit, Cooked
from clipn.study.settings.few_shot import FewShot


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
        variant: name of the variant, or of a fitted classifier; `none` for the methods on plain CLIP.
        settings: of both, as YAML text: of all trainings of the backbone, and of what a classifier was fitted on;
            empty where the study says nothing of them.
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
        settings: of the study, as YAML text, checked and with defaults filled in.
        study: its name.
        folder: of the study.
    """
    home, known = study_folder(study), yaml.safe_load(settings)
    rows = [{**run, "path": path} for path, run in zip(paths, metrics, strict=True)]
    found = []
    for (backbone, variant), members in grouped(rows, ("backbone", "variant")).items():
        of_both = _settings_of(known, backbone, variant)
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


def _settings_of(known: Mapping[str, Any], backbone: str, variant: str) -> dict[str, dict[str, Any]]:
    """The parts of a study's settings that a backbone and a variant come from."""
    kinds: dict[str, type[AnyFit]] = {"gda": FewShot, "cooked": Cooked}
    fits = {
        id_dataset: [fit for fit in several if kinds[fit.get("kind", "gda")].model_construct(**fit).variant == variant]
        for id_dataset, several in known.get("train", {}).items()
    }
    networks = {fit.get("network") for several in fits.values() for fit in several}
    parts = {
        # Metrics call all trainings of a backbone by one name.
        "backbones": {key: value for key, value in known.get("backbones", {}).items() if family(key) == backbone},
        "variants": {key: value for key, value in known.get("variants", {}).items() if key == variant},
        "train": {key: value for key, value in fits.items() if value},
        "networks": {key: value for key, value in known.get("networks", {}).items() if key in networks},
    }
    return {part: found for part, found in parts.items() if found}
