"""Score every ID and OOD image of a run, all pairs in one job, from cached image features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from clipn.backbone import load_backbone, preprocess
from clipn.checkpoint import load
from clipn.data.cleaning import CLEAN
from clipn.data.description import read_description
from clipn.data.manifest import read_manifest
from clipn.detector import Detector
from clipn.errors import ClipnError
from clipn.features import read_image_features
from clipn.files import atomic
from clipn.model import CLIPN
from clipn.progress import tracked
from clipn.scores import SCORES, accepts

ROWS = 8192
"""Images scored at once, which bounds the memory of their logits."""


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
    rules: Sequence[str],
    pairs: Mapping[str, Sequence[str]],
    datasets: Mapping[str, DatasetFiles],
    prompts: str,
    logit_scale: float | None,
    output: Path,
) -> None:
    """Write the scores of all images under the classes of every ID dataset.

    Args:
        model: the towers.
        methods: names in `SCORES`.
        rules: names in `RULES`, for a trained "no" tower.
        pairs: OOD datasets of every ID dataset.
        datasets: files of every dataset named in `pairs`.
        prompts: prompt pool.
        logit_scale: what multiplies cosines; None: the model's own.
        output: Parquet: id, dataset, row, label, prediction, one float64 column per method (`Score.ranking`), a bool
            column `accepts_<rule>` per rule, and the manifests' columns `clean_<list>`.

    Raises:
        ClipnError: an ID dataset has no class names.
    """
    tables = []
    for known, unknown in tracked(pairs.items(), len(pairs), "score", "ID datasets"):
        detector = Detector(model, _classes(known, datasets[known]), prompts, logit_scale)
        tables += [_score(known, name, datasets[name], detector, methods, rules) for name in (known, *unknown)]
    with atomic(output) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, compression="zstd", index=False)


def _classes(name: str, files: DatasetFiles) -> list[str]:
    names = read_description(files.description).classes
    if not names:
        raise ClipnError(f"{name}: has no class names, so it cannot be in-distribution; name `classes` in the registry")
    return names


def _score(
    known: str, name: str, files: DatasetFiles, detector: Detector, methods: Sequence[str], rules: Sequence[str]
) -> pd.DataFrame:
    features = torch.from_numpy(read_image_features(files.features))
    scores = pd.concat(
        [_score_rows(part, detector, methods, rules) for part in features.split(ROWS)], ignore_index=True
    )
    manifest = read_manifest(files.manifest)
    labels = manifest["label"].to_numpy() if name == known else np.full(len(scores), -1)
    places = pd.DataFrame({"id": known, "dataset": name, "row": np.arange(len(scores)), "label": labels})
    cleaned = manifest.filter(regex=f"^{CLEAN}").astype("boolean")
    return pd.concat([places.astype({"row": "int32", "label": "int32"}), scores, cleaned], axis=1)


def _score_rows(features: Tensor, detector: Detector, methods: Sequence[str], rules: Sequence[str]) -> pd.DataFrame:
    yes = detector.yes_logits(features).cpu().numpy()
    says_no = rules or any(SCORES[method].needs_no for method in methods)
    no = detector.no_logits(features).cpu().numpy() if says_no else None
    columns = {"prediction": yes.argmax(axis=1).astype(np.int32)}
    columns |= {method: SCORES[method].ranking(yes, no, detector.logit_scale) for method in methods}
    columns |= {f"accepts_{rule}": accepts(rule, yes, no) for rule in rules}
    return pd.DataFrame(columns)
