"""Score every ID and OOD image of a run, all pairs in one pass, from cached image features."""

from collections.abc import Callable, Mapping, Sequence
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

from clipn.compute import one_thread, prepare_torch
from clipn.data.cleaning import CLEAN
from clipn.data.description import read_description
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import IDClassifier, id_classifier
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
class ScoringInputs:
    """The folders that scoring reads.

    Attributes:
        datasets: one folder per dataset, with manifest and description.
        features: image features of one backbone, one file per dataset, and the features of single methods:
            `negative_labels/<ID>`, `perturbed/<ID>`.
    """

    datasets: Path
    features: Path


@dataclass(frozen=True)
class Methods:
    """What is computed.

    Attributes:
        scores: names in `SCORES`.
        rules: names in `RULES`.

    Raises:
        ClipnError: there is no such method or rule.
    """

    scores: Sequence[str]
    rules: Sequence[str] = ()

    def __post_init__(self) -> None:
        for what, names, registry in (("method", self.scores, SCORES), ("rule", self.rules, RULES)):
            for name in names:
                if name not in registry:
                    raise ClipnError(f"{what} {name!r}: choose one of {', '.join(registry)}")

    @property
    def needs(self) -> set[str]:
        """What it takes beside "yes" logits, keys of `clipn.scores.evidence.NEEDS`."""
        chosen: list[Score | Rule] = [*(SCORES[name] for name in self.scores), *(RULES[name] for name in self.rules)]
        return {need for entry in chosen for need in entry.needs}


def score_run(
    inputs: ScoringInputs,
    pairs: Mapping[str, Sequence[str]],
    methods: Sequence[str],
    rules: Sequence[str],
    output: Path,
    *,
    checkpoint: Path | None = None,
    backbone: Path | None = None,
    prompts: str = "clipn128",
    logit_scale: float | None = 100.0,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write the scores of all images under the classes of every ID dataset.

    Args:
        inputs: folders of datasets and features.
        pairs: OOD datasets of every ID dataset.
        methods: names in `SCORES`.
        rules: names in `RULES`.
        output: Parquet: id, dataset, row, label, prediction, one float64 column per method (`Score.ranking`), a bool
            column `accepts_<rule>` per rule, and the manifests' columns `clean_<list>`.
        checkpoint: of the run.
        backbone: instead of a checkpoint, for methods that need no trained "no" tower.
        prompts: prompt pool.
        logit_scale: what multiplies cosines; None: the model's own.
        device: `cpu` or `cuda`, where texts are encoded.
        threads: of torch while texts are encoded, on which their digits depend; then batches scored at a time, on
            which none do.

    Raises:
        ClipnError: an unknown method or rule, not exactly one model, an ID dataset without class names, or features
            that are missing.
    """
    prepare_torch(device, threads)
    chosen = Methods(methods, rules)
    model = load_model(checkpoint, backbone, chosen, device)
    detector_of = partial(Detector, model, prompts=prompts, logit_scale=logit_scale)
    score_pairs(detector_of, chosen, pairs, inputs, output, threads)


def load_model(checkpoint: Path | None, backbone: Path | None, methods: Methods, device: str) -> CLIPN:
    """The model of a run, or a backbone alone for methods that need no trained "no" tower.

    Raises:
        ClipnError: neither or both are given, or a backbone for what needs a "no" tower.
    """
    if checkpoint is None and "no" in methods.needs:
        raise ClipnError("a method or rule needs a trained `no` tower; give --checkpoint")
    if checkpoint is not None and backbone is None:
        return load(checkpoint, device)
    if backbone is not None and checkpoint is None:
        clip, config = load_backbone(backbone)
        return CLIPN(clip, preprocess(config)).to(device).eval()
    raise ClipnError("give either --checkpoint or --backbone")


def score_pairs(
    detector_of: Callable[[list[str]], Detector],
    methods: Methods,
    pairs: Mapping[str, Sequence[str]],
    inputs: ScoringInputs,
    output: Path,
    threads: int = 1,
) -> None:
    """As `score_run`, with a detector made from the names of the ID classes."""
    tables = []
    with ThreadPoolExecutor(threads) as pool:
        for id_dataset, ood_datasets in tracked(pairs.items(), len(pairs), "score", "ID datasets"):
            names = read_description(inputs.datasets / id_dataset / "dataset.json").classes
            if not names:
                raise ClipnError(
                    f"{id_dataset}: has no class names, so it cannot be in-distribution; name `classes` in the registry"
                )
            negatives = inputs.features / "negative_labels" / f"{id_dataset}.safetensors"
            classifier = id_classifier(detector_of(names), methods.needs, _features(id_dataset, inputs), negatives)
            perturbed: dict[str, Tensor] = {}
            if "perturbed" in methods.needs:
                # OOD images lie in the ID dataset's file, too: they were moved towards its classes.
                perturbed = read_perturbed_features(inputs.features / "perturbed" / f"{id_dataset}.safetensors")
            for dataset in (id_dataset, *ood_datasets):
                moved = perturbed[dataset].numpy() if dataset in perturbed else None
                scores = score_features(classifier, _features(dataset, inputs).numpy(), moved, methods, pool)
                tables.append(_labelled(scores, id_dataset, dataset, inputs))
    with atomic(output) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, compression="zstd", index=False)


def score_features(
    classifier: IDClassifier,
    features: NDArray[np.float32],
    perturbed: NDArray[np.float32] | None,
    methods: Methods,
    pool: Executor,
) -> pd.DataFrame:
    """Columns `prediction`, one per method, and `accepts_<rule>` per rule; rows as in `features` (n, d).

    Batches are scored side by side in `pool`; the digits do not depend on how many.
    """

    def score(rows: slice) -> dict[str, NDArray[Any]]:
        evidence = classifier.evidence(features[rows], None if perturbed is None else perturbed[rows])
        columns: dict[str, NDArray[Any]] = {"prediction": evidence.yes.winner.astype(np.int32)}
        columns |= {method: SCORES[method].of(evidence) for method in methods.scores}
        return columns | {f"accepts_{rule}": RULES[rule].of(evidence) for rule in methods.rules}

    # A matrix product that splits itself over threads rounds by their number; the pool keeps them busy without that.
    with one_thread():
        parts = list(pool.map(score, (slice(start, start + ROWS) for start in range(0, len(features), ROWS))))
    return pd.DataFrame({column: np.concatenate([part[column] for part in parts]) for column in parts[0]})


def _features(dataset: str, inputs: ScoringInputs) -> Tensor:
    return torch.from_numpy(read_image_features(inputs.features / f"{dataset}.safetensors"))


def _labelled(scores: pd.DataFrame, id_dataset: str, dataset: str, inputs: ScoringInputs) -> pd.DataFrame:
    """Scores behind the columns that name each image, and before the cleaning lists of its manifest."""
    manifest = read_manifest(inputs.datasets / dataset / "manifest.parquet")
    if len(manifest) != len(scores):
        raise ClipnError(f"{dataset}: {len(scores)} features, {len(manifest)} images in the manifest; cache them again")
    # An OOD image has none of these classes, and its own dataset's labels would look like some.
    labels = manifest["label"].to_numpy() if dataset == id_dataset else np.full(len(scores), -1)
    names = pd.DataFrame({"id": id_dataset, "dataset": dataset, "row": np.arange(len(scores)), "label": labels})
    # pandas' own bool has no third value for the images that nobody inspected.
    cleaned = manifest.filter(regex=f"^{CLEAN}").astype("boolean")
    return pd.concat([names.astype({"row": "int32", "label": "int32"}), scores, cleaned], axis=1)
