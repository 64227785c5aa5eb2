"""Score every ID and OOD image of a run, all pairs in one job, from cached image features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from clipn.backbone import load_backbone, preprocess
from clipn.checkpoint import load
from clipn.data.description import read_description
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.features import read_image_features
from clipn.files import atomic
from clipn.model import CLIPN, class_weights
from clipn.progress import tracked
from clipn.prompts import prompt_pool
from clipn.scores import RULES, SCORES, accepts

ROWS = 8192
"""Images scored at once, which bounds the memory of their logits."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class DatasetFiles:
    """What scoring needs of a dataset."""

    manifest: Path
    description: Path
    features: Path


def load_model(checkpoint: Path | None, backbone: Path | None, device: str) -> CLIPN:
    """The model of a run, or a backbone alone for methods that need no trained "no" tower.

    Raises:
        ClipnError: neither or both are given.
    """
    if checkpoint is not None and backbone is None:
        return load(checkpoint, device)
    if backbone is not None and checkpoint is None:
        clip, config = load_backbone(backbone)
        return CLIPN(clip, preprocess(config)).to(device).eval()
    raise ClipnError("give either --checkpoint or --backbone")


def score_run(
    model: CLIPN,
    methods: Sequence[str],
    pairs: Mapping[str, Sequence[str]],
    datasets: Mapping[str, DatasetFiles],
    prompts: str,
    logit_scale: float,
    output: Path,
    device: str = "cpu",
) -> None:
    """Write the scores of all images under the classes of every ID dataset.

    Args:
        model: the towers.
        methods: names in `SCORES`.
        pairs: OOD datasets of every ID dataset.
        datasets: files of every dataset named in `pairs`.
        prompts: prompt pool.
        logit_scale: what multiplies cosines.
        output: Parquet: id, dataset, row, label, prediction, one float64 column per method (`Score.ranking`), and
            for methods with a threshold-free rule a bool column `accepts_<rule>`.
        device: where texts are encoded.

    Raises:
        ClipnError: an ID dataset has no class names.
    """
    tables = []
    for known, unknown in tracked(pairs.items(), len(pairs), "score", "ID datasets"):
        weights = _weights(model, _classes(known, datasets[known]), prompts, methods, device)
        tables += [_score(known, name, datasets[name], weights, methods, logit_scale) for name in (known, *unknown)]
    with atomic(output) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, compression="zstd", index=False)


def _classes(name: str, files: DatasetFiles) -> list[str]:
    names = read_description(files.description).classes
    if not names:
        raise ClipnError(f"{name}: has no class names, so it cannot be in-distribution; name `classes` in the registry")
    return names


def _weights(
    model: CLIPN, names: list[str], prompts: str, methods: Sequence[str], device: str
) -> tuple[Weights, Weights | None]:
    """Classifiers (classes, d) of the "yes" and, where a method needs it, the "no" tower."""
    templates = prompt_pool(prompts)
    yes = class_weights(model.encode_text, model.tokenizer, names, templates, device).double().cpu().numpy()
    if not any(SCORES[method].needs_no for method in methods):
        return yes, None
    no = class_weights(model.encode_no_text, model.tokenizer, names, templates, device).double().cpu().numpy()
    return yes, no


def _score(
    known: str, name: str, files: DatasetFiles, weights: tuple[Weights, Weights | None],
    methods: Sequence[str], logit_scale: float,
) -> pd.DataFrame:  # fmt: skip
    features = read_image_features(files.features)
    parts = [
        _score_rows(features[start : start + ROWS], weights, methods, logit_scale)
        for start in range(0, len(features), ROWS)
    ]
    scores = pd.concat(parts, ignore_index=True)
    labels = read_manifest(files.manifest)["label"].to_numpy() if name == known else np.full(len(scores), -1)
    places = pd.DataFrame({"id": known, "dataset": name, "row": np.arange(len(scores)), "label": labels})
    return pd.concat([places.astype({"row": "int32", "label": "int32"}), scores], axis=1)


def _score_rows(
    features: NDArray[np.float32],
    weights: tuple[Weights, Weights | None],
    methods: Sequence[str],
    logit_scale: float,
) -> pd.DataFrame:
    yes_weights, no_weights = weights
    yes = logit_scale * _cosines(features, yes_weights)
    no = None if no_weights is None else logit_scale * _cosines(features, no_weights)
    columns = {"prediction": yes.argmax(axis=1).astype(np.int32)}
    columns |= {method: SCORES[method].ranking(yes, no, logit_scale) for method in methods}
    columns |= {f"accepts_{rule}": accepts(rule, yes, no) for rule in RULES if rule in methods}
    return pd.DataFrame(columns)


def _cosines(features: NDArray[np.float32], weights: Weights) -> NDArray[np.float64]:
    """(n, classes) products in float64, by torch, whose threads the study fixes."""
    product: NDArray[np.float64] = (torch.from_numpy(features).double() @ torch.from_numpy(weights).T).numpy()
    return product
