"""Score every ID and OOD image of a run, all pairs in one pass, from cached image features."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipn.compute import one_thread
from clipn.data.cleaning import CLEAN
from clipn.data.description import read_description
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import KnownClasses, known_classes
from clipn.evaluation.detector import Detector
from clipn.features.images import read_image_features
from clipn.features.perturbed import read_perturbed_features
from clipn.files import atomic
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.checkpoint import load
from clipn.model.clipn import CLIPN
from clipn.progress import tracked
from clipn.scores import RULES, SCORES, Rule, Score

ROWS = 128
"""Images scored at once: their logits fit into a processor's cache, those of 10,000 negative labels take 10 MB."""


@dataclass(frozen=True)
class Places:
    """Where scoring finds what it reads.

    Attributes:
        datasets: one folder per dataset, with manifest and description.
        features: image features of one backbone, one file per dataset, and the features of single methods:
            `negative_labels/<ID>`, `perturbed/<ID>`.
    """

    datasets: Path
    features: Path


@dataclass(frozen=True)
class Wanted:
    """What is computed: names in `SCORES` and in `RULES`.

    Raises:
        ClipnError: there is no such method or rule.
    """

    methods: Sequence[str]
    rules: Sequence[str] = ()

    def __post_init__(self) -> None:
        for what, names, registry in (("method", self.methods, SCORES), ("rule", self.rules, RULES)):
            for name in names:
                if name not in registry:
                    raise ClipnError(f"{what} {name!r}: choose one of {', '.join(registry)}")

    @property
    def needs(self) -> set[str]:
        """What it takes beside "yes" logits, keys of `clipn.scores.evidence.NEEDS`."""
        chosen: list[Score | Rule] = [*(SCORES[name] for name in self.methods), *(RULES[name] for name in self.rules)]
        return {need for entry in chosen for need in entry.needs}


def load_model(checkpoint: Path | None, backbone: Path | None, wanted: Wanted, device: str) -> CLIPN:
    """The model of a run, or a backbone alone for methods that need no trained "no" tower.

    Raises:
        ClipnError: neither or both are given, or a backbone for what needs a "no" tower.
    """
    if checkpoint is None and "no" in wanted.needs:
        raise ClipnError("a method or rule needs a trained `no` tower; give --checkpoint")
    if checkpoint is not None and backbone is None:
        return load(checkpoint, device)
    if backbone is not None and checkpoint is None:
        clip, config = load_backbone(backbone)
        return CLIPN(clip, preprocess(config)).to(device).eval()
    raise ClipnError("give either --checkpoint or --backbone")


def score_run(
    model: CLIPN,
    wanted: Wanted,
    pairs: Mapping[str, Sequence[str]],
    places: Places,
    prompts: str,
    logit_scale: float | None,
    output: Path,
    threads: int = 1,
) -> None:
    """Write the scores of all images under the classes of every ID dataset.

    Args:
        model: the towers.
        wanted: methods and rules.
        pairs: OOD datasets of every ID dataset.
        places: of manifests, descriptions and features.
        prompts: prompt pool.
        logit_scale: what multiplies cosines; None: the model's own.
        output: Parquet: id, dataset, row, label, prediction, one float64 column per method (`Score.ranking`), a bool
            column `accepts_<rule>` per rule, and the manifests' columns `clean_<list>`.
        threads: batches scored at a time; the digits do not depend on it.

    Raises:
        ClipnError: an ID dataset has no class names, or features are missing.
    """
    score_pairs(
        partial(Detector, model, prompts=prompts, logit_scale=logit_scale), wanted, pairs, places, output, threads
    )


def score_pairs(
    detector_of: Callable[[list[str]], Detector],
    wanted: Wanted,
    pairs: Mapping[str, Sequence[str]],
    places: Places,
    output: Path,
    threads: int = 1,
) -> None:
    """As `score_run`, by detectors of the names of classes."""
    tables = []
    with ThreadPoolExecutor(threads) as pool:
        for known, unknown in tracked(pairs.items(), len(pairs), "score", "ID datasets"):
            detector = detector_of(_class_names(known, places))
            negatives = places.features / "negative_labels" / f"{known}.safetensors"
            classes = known_classes(detector, wanted.needs, _features(known, places), negatives)
            perturbed = _perturbed(known, places) if "perturbed" in wanted.needs else {}
            for name in (known, *unknown):
                scores = score_features(classes, _features(name, places), perturbed.get(name), wanted, pool)
                tables.append(_placed(scores, known, name, places))
    with atomic(output) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, compression="zstd", index=False)


def score_features(
    classes: KnownClasses, features: Tensor, perturbed: Tensor | None, wanted: Wanted, pool: Executor
) -> pd.DataFrame:
    """Columns `prediction`, one per method, and `accepts_<rule>` per rule; rows as in `features` (n, d).

    Batches are scored side by side in `pool`; the digits do not depend on how many.
    """

    def score(rows: slice) -> dict[str, NDArray[Any]]:
        evidence = classes.evidence(features[rows], None if perturbed is None else perturbed[rows])
        columns: dict[str, NDArray[Any]] = {"prediction": evidence.yes.winner.astype(np.int32)}
        columns |= {method: SCORES[method].of(evidence) for method in wanted.methods}
        return columns | {f"accepts_{rule}": RULES[rule].of(evidence) for rule in wanted.rules}

    with one_thread():
        parts = list(pool.map(score, _batches(len(features))))
    return pd.DataFrame({column: np.concatenate([part[column] for part in parts]) for column in parts[0]})


def _batches(images: int) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, images, ROWS))


def _class_names(name: str, places: Places) -> list[str]:
    names = read_description(places.datasets / name / "dataset.json").classes
    if not names:
        raise ClipnError(f"{name}: has no class names, so it cannot be in-distribution; name `classes` in the registry")
    return names


def _features(name: str, places: Places) -> Tensor:
    return torch.from_numpy(read_image_features(places.features / f"{name}.safetensors"))


def _perturbed(known: str, places: Places) -> dict[str, Tensor]:
    return read_perturbed_features(places.features / "perturbed" / f"{known}.safetensors")


def _placed(scores: pd.DataFrame, known: str, name: str, places: Places) -> pd.DataFrame:
    """Scores with what names each image, and the cleaning lists of its manifest."""
    manifest = read_manifest(places.datasets / name / "manifest.parquet")
    if len(manifest) != len(scores):
        raise ClipnError(f"{name}: {len(scores)} features, {len(manifest)} images in the manifest; cache them again")
    labels = manifest["label"].to_numpy() if name == known else np.full(len(scores), -1)
    place = pd.DataFrame({"id": known, "dataset": name, "row": np.arange(len(scores)), "label": labels})
    cleaned = manifest.filter(regex=f"^{CLEAN}").astype("boolean")
    return pd.concat([place.astype({"row": "int32", "label": "int32"}), scores, cleaned], axis=1)
