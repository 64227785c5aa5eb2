"""Metrics of runs with round numbers, their replicates, and the folder of a study that holds them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from clipn.evaluation.evaluate import MEASURES
from clipn.evaluation.replicates import NAMES, VALUES, write_replicates
from clipn.files import write_json
from clipn.report.tables import build

Record = dict[str, Any]
Figures = Mapping[tuple[str, str], tuple[float, float]]
Offsets = Mapping[tuple[str, str], NDArray[np.float64]]

OFFSETS = np.linspace(-0.02, 0.02, 41)
"""Of 41 resamples: 95 % of them lie within 0.019."""

CALIBRATION = {"ece": 0.05, "nll": 0.4, "brier": 0.15, "temperature": 1.25}

PUBLISHED = {
    "tolerances": {"close": {"auroc": 1, "fpr95": 2, "reason": "stated"}},
    "entries": [
        {
            "id": "cifar10",
            "backbone": "ViT-B-32/openai",
            "method": "msp",
            "kind": "restated",
            "source": "a note",
            "compare": {"paper": "close"},
            "cells": {"svhn": [70.5, 80.0]},
        },
        {
            "id": "cifar10",
            "backbone": "ViT-B-32/openai",
            "method": "ctw",
            "kind": "readme",
            "source": "a readme",
            "run": 2,
            "compare": {"paper": "close"},
            "cells": {"svhn": [92.0, 30.0]},
        },
        {
            "id": "cifar10",
            "backbone": "ViT-B-32/openai",
            "method": "theirs",
            "kind": "restated",
            "source": "a paper",
            "cells": {"svhn": [99.5, 1.25]},
        },
    ],
    "methods": {"theirs": {"title": "Theirs", "kind": "test-time"}},
}


def run(variant: str, seed: int, figures: Figures, **other: Any) -> Record:
    """Metrics of one run; `figures` maps (method, OOD set) to (AUROC, FPR95), of which the others are parts."""
    records = [
        {
            "id": "cifar10",
            "ood": ood,
            "ood_version": "official",
            "prompts": other.get("prompts", "clipn128"),
            "method": method,
            "auroc": auroc,
            "aupr_id": auroc / 2,
            "aupr_ood": auroc / 4,
            "fpr95": fpr95,
            "fpr95_by_convention": {"clipn": fpr95, "mcm": fpr95 / 2},
        }
        for (method, ood), (auroc, fpr95) in figures.items()
    ]
    return {
        "study": "demo",
        "backbone": "tiny",
        "variant": variant,
        "seed": seed,
        "prompts": "clipn128",
        "convention": "clipn",
        "arithmetic": "portable avx2 numpy-2.0",
        "ood": records,
        "id_accuracy": [accuracy(0.9)],
        "decisions": [],
    } | other


def accuracy(top1: float | None, **other: Any) -> Record:
    """Accuracy and calibration on ID images."""
    worth = dict.fromkeys(CALIBRATION) if top1 is None else CALIBRATION
    return {"id": "cifar10", "images": 600, "top1": top1, **worth} | other


def decided(shares: Mapping[str, tuple[float, float]], ood: str = "svhn") -> list[Record]:
    """Decisions of a run; `shares` maps a rule to the shares of ID accepted and of OOD rejected."""
    pair = {"id": "cifar10", "ood": ood, "ood_version": "official"}
    return [
        pair | {"rule": rule, "id_accepted": of_id, "ood_rejected": of_ood, "balanced_accuracy": (of_id + of_ood) / 2}
        for rule, (of_id, of_ood) in shares.items()
    ]


def replicates(metrics: Record, offsets: Offsets | None = None) -> pd.DataFrame:
    """Replicates of a run: its figures, shifted in every resample by the offsets of (method, OOD set)."""
    return pd.DataFrame(replicated(metrics, offsets), columns=[*NAMES, VALUES])


def replicated(metrics: Record, offsets: Offsets | None = None) -> list[Record]:
    """Rows of `replicates`."""
    return [
        {key: row[key] for key in NAMES if key != "measure"}
        | {"measure": measure, VALUES: row[measure] + (offsets or {}).get((row["method"], row["ood"]), OFFSETS)}
        for row in metrics["ood"]
        for measure in MEASURES
    ]


BASELINE = run("none", 0, {("msp", "svhn"): (0.7, 0.6), ("msp", "dtd"): (0.9, 0.4)})
SEEDS = [
    run("learnable", 1, {("ctw", "svhn"): (0.90, 0.20), ("ctw", "dtd"): (0.80, 0.50)}),
    run("learnable", 2, {("ctw", "svhn"): (0.92, 0.30), ("ctw", "dtd"): (0.82, 0.40)}),
    run("learnable", 3, {("ctw", "svhn"): (0.94, 0.40), ("ctw", "dtd"): (0.78, 0.30)}),
]


def taught(variant: str, seed: int, auroc: float, **other: Any) -> Record:
    """A run with a "no" tower: ATD a point of AUROC above CTW on both OOD sets, and decisions."""
    sets = ("svhn", "dtd")
    figures = {("ctw", ood): (auroc, 1 - auroc) for ood in sets} | {("atd", ood): (auroc + 0.01, 0.5) for ood in sets}
    return run(variant, seed, figures, decisions=decided({"atd": (0.9, 0.8)})) | other


def write_runs(folder: Path, runs: Iterable[Record], resamples: int = len(OFFSETS)) -> list[Path]:
    """Metrics as JSON and replicates beside them, as evaluating writes them."""
    paths = []
    for metrics in runs:
        names = [metrics["backbone"], metrics["variant"], metrics["prompts"], f"seed{metrics['seed']}.json"]
        path = folder.joinpath("metrics", *names)
        write_json(path, metrics)
        write_replicates(path.with_suffix(".parquet"), replicated(metrics) if resamples else [])
        paths.append(path)
    return paths


def write_descriptions(folder: Path, titles: Mapping[str, str]) -> None:
    """Descriptions of verified datasets with one archive each."""
    for name, title in titles.items():
        archive = f"{name}.tar"
        proof = {"archives": {archive: "ab" * 32}, "proof": {archive: "verified"}, "names": "verified"}
        write_json(folder / name / "dataset.json", {"title": title, "classes": [], **proof, "images": 10000})


def write_study(
    folder: Path,
    runs: Sequence[Record],
    options: build.TableOptions,
    study: str = "demo",
    resamples: int = len(OFFSETS),
) -> list[Path]:
    """Metrics, descriptions and tables of a study; returns the paths of the metrics."""
    metrics = write_runs(folder, runs, resamples)
    write_descriptions(folder / "datasets", {"cifar10": "CIFAR-10", "svhn": "SVHN", "dtd": "Textures"})
    build.write_other_tables(metrics, study, folder / "tables", folder / "datasets", options)
    (folder / "published.yaml").write_text(yaml.safe_dump(PUBLISHED))
    measured, sources = folder / "tables" / "metrics.csv", ["tiny:ViT-B-32/openai"]
    compared = build.compared(metrics, measured, folder / "published.yaml", study, sources)
    build.write_table(folder / "tables", "published", compared, "portable")
    return metrics
