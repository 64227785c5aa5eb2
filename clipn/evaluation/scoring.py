"""Score every ID and OOD image of a run, all pairs in one pass, from cached image features."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipn.compute import one_thread
from clipn.data.cleaning import CLEAN
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import Classifiers, IDClassifier, ImageEvidence, Towers, id_classifier
from clipn.evaluation.cooked import Cooked
from clipn.features.stored import (
    Features,
    LogOdds,
    read_discriminant,
    read_image_features,
    read_local_features,
    read_perturbed_features,
)
from clipn.files import atomic
from clipn.metrics.calibration import best_temperature, image_calibration
from clipn.progress import tracked
from clipn.scores import PLAIN_CLIP, RULES, SCORES, Evidence, Rule, Score

ROWS = 128
"""Images scored at once: their logits fit into a processor's cache, those of 10,000 negative labels take 10 MB."""


@dataclass(frozen=True)
class ScoringInputs:
    """The folders that scoring reads.

    Attributes:
        datasets: one folder per dataset, with manifest and description.
        features: image features of a backbone, one file per dataset, and the features of single methods:
            `negative_labels/<ID>`, `csp/<ID>`, `eoe/<ID>`, `local/<ID>`, `perturbed/<ID>`.
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


@dataclass(frozen=True)
class RunScoring:
    """One file of scores.

    Attributes:
        backbone: name of the backbone.
        run: name of the run, e.g. `learnable/seed1`; `none` for methods on plain CLIP.
        pool: name of the prompt pool.
        methods: what is computed.
        output: Parquet to write.
        fits: files of the classifiers that were fitted on training images, by ID dataset, which alone are scored then;
            without any, all are, by what the run says of their classes.
        networks: folders of the logits of networks, by ID dataset: its fit is then a linear probe, and the three are
            averaged as in COOkeD.
    """

    backbone: str
    run: str
    pool: str
    methods: Methods
    output: Path
    fits: Mapping[str, Path] = field(default_factory=dict)
    networks: Mapping[str, Path] = field(default_factory=dict)


def score_runs(
    inputs: ScoringInputs,
    classifiers: Path,
    scorings: Sequence[RunScoring],
    pairs: Mapping[str, Sequence[str]],
    logit_scale: float | None = 100.0,
    threads: int = 1,
) -> None:
    """Write the scores of several runs, as `score_pairs` does for one.

    Args:
        inputs: folders of datasets, and of features with one folder per backbone.
        classifiers: folder with the classifiers of every backbone.
        scorings: what is written.
        pairs: OOD datasets of every ID dataset.
        logit_scale: what multiplies cosines; None: the model's own.
        threads: batches scored at a time; no digit depends on it.

    Raises:
        ClipnError: classifiers or features are missing, or are not of these datasets.
    """
    # Runs share the "yes" tower of their backbone, so methods on plain CLIP say for all of them what it is worth.
    plain = {(scoring.backbone, scoring.pool) for scoring in scorings if scoring.run == PLAIN_CLIP and not scoring.fits}
    of_backbone = cache(lambda backbone: Classifiers.read(classifiers / f"{backbone}.safetensors"))
    for scoring in tracked(scorings, len(scorings), "score", "runs"):
        own = ScoringInputs(inputs.datasets, inputs.features / scoring.backbone)
        towers_of = partial(of_backbone(scoring.backbone).towers, scoring.run, scoring.pool, logit_scale=logit_scale)
        scored = {name: pairs[name] for name in scoring.fits or pairs}
        # What was fitted has logits of its own.
        of_its_own = bool(scoring.fits) or scoring.run == PLAIN_CLIP
        calibrated = of_its_own or (scoring.backbone, scoring.pool) not in plain
        score_pairs(
            towers_of,
            scoring.methods,
            scored,
            own,
            scoring.output,
            threads,
            fits=scoring.fits,
            networks=scoring.networks,
            calibrated=calibrated,
        )


def score_pairs(
    towers_of: Callable[[str], Towers],
    methods: Methods,
    pairs: Mapping[str, Sequence[str]],
    inputs: ScoringInputs,
    output: Path,
    threads: int = 1,
    *,
    fits: Mapping[str, Path] | None = None,
    networks: Mapping[str, Path] | None = None,
    calibrated: bool = True,
) -> None:
    """Write the scores of all images under the classes of every ID dataset.

    Args:
        towers_of: what a run says of the classes of an ID dataset.
        methods: what is computed.
        pairs: OOD datasets of every ID dataset.
        inputs: folders of datasets and of the features of the run's backbone.
        output: Parquet: id, dataset, row, path, label, prediction, one float64 column per method (`Score.ranking`), a
            bool column `accepts_<rule>` per rule, the columns `CALIBRATION`, and the manifests' columns `clean_<list>`;
            row and path are those of the image in the manifest.
        threads: batches scored at a time; no digit depends on it.
        fits: as of `RunScoring`.
        networks: as of `RunScoring`.
        calibrated: whether the file says what the class probabilities of the ID images are worth.
    """
    tables = []
    with ThreadPoolExecutor(threads) as pool:
        for id_dataset, ood_datasets in pairs.items():
            fit, network = (files.get(id_dataset) if files else None for files in (fits, networks))
            images_of: Callable[[str], ImageEvidence]
            if fit and network:
                images_of = Cooked(towers_of(id_dataset), fit, inputs.features, network).images
            else:
                images_of = _zero_shot(towers_of(id_dataset), methods, inputs, id_dataset, fit)
            for dataset in (id_dataset, *ood_datasets):
                images, labels = images_of(dataset), None
                if calibrated and dataset == id_dataset:
                    labels = _manifest_of(dataset, inputs.datasets, images.images)["label"].to_numpy()
                scores = _score(images, methods, pool, labels)
                tables.append(labelled(scores, id_dataset, dataset, inputs.datasets))
    with atomic(output) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, compression="zstd", index=False)


def _zero_shot(
    towers: Towers, methods: Methods, inputs: ScoringInputs, id_dataset: str, fit: Path | None
) -> Callable[[str], ImageEvidence]:
    """What the towers say of the images of a dataset under the classes of an ID dataset, and what was fitted to it."""
    classifier = id_classifier(towers, methods.needs, _features(id_dataset, inputs), inputs.features, id_dataset)
    if fit:
        classifier = _fitted(classifier, fit)
    perturbed: dict[str, Features] = {}
    if "perturbed" in methods.needs:
        # OOD images lie in the ID dataset's file, too: they were moved towards its classes.
        perturbed = read_perturbed_features(inputs.features / "perturbed" / f"{id_dataset}.safetensors")
    local: dict[str, LogOdds] = {}
    if "local" in methods.needs:
        local = read_local_features(inputs.features / "local" / f"{id_dataset}.safetensors")
    return lambda dataset: _evidence(
        classifier, _features(dataset, inputs), perturbed.get(dataset), local.get(dataset), methods
    )


def _fitted(classifier: IDClassifier, fit: Path) -> IDClassifier:
    """Zero-shot logits with those of a fitted classifier added."""
    weights, bias = read_discriminant(fit)
    if weights.shape != classifier.yes.shape or bias.shape != weights.shape[:1]:
        raise ClipnError(f"{fit}: is of other classes, or of another backbone, than what it is added to; fit it again")
    return replace(classifier, yes=classifier.yes + weights, bias=bias)


def score_features(
    classifier: IDClassifier,
    features: Features,
    perturbed: Features | None,
    local: LogOdds | None,
    methods: Methods,
    pool: Executor,
    labels: NDArray[np.integer] | None = None,
) -> pd.DataFrame:
    """Columns `prediction`, one per method, and `accepts_<rule>` per rule; rows as in `features` (n, d).

    Batches are scored side by side in `pool`; the digits do not depend on how many. With `labels` (n,), true classes
    and negative where unknown, the columns `CALIBRATION` come, too.

    Raises:
        ClipnError: features and classes are of different backbones, or there are more or fewer perturbed images or
            best patches.
    """
    return _score(_evidence(classifier, features, perturbed, local, methods), methods, pool, labels)


def _evidence(
    classifier: IDClassifier,
    features: Features,
    perturbed: Features | None,
    local: LogOdds | None,
    methods: Methods,
) -> ImageEvidence:
    """What a classifier says of images; errors as of `score_features`."""
    weights = (classifier.yes, classifier.no, *classifier.words.values())
    widths = {features.shape[1], *(given.shape[1] for given in weights if given is not None)}
    own = {"perturbed": (perturbed, features.shape), "local": (local, (len(features), 1))}
    unfit = [name in methods.needs if array is None else array.shape != shape for name, (array, shape) in own.items()]
    if len(widths) > 1 or any(unfit):
        raise ClipnError(
            "features: of images, texts, perturbed images or patches lack some or differ in size; make them again"
        )

    def evidence(rows: slice) -> Evidence:
        moved = None if perturbed is None else perturbed[rows]
        return classifier.evidence(features[rows], moved, None if local is None else local[rows])

    return ImageEvidence(evidence, len(features), len(classifier.yes))


def _score(
    images: ImageEvidence, methods: Methods, pool: Executor, labels: NDArray[np.integer] | None = None
) -> pd.DataFrame:
    """Columns as of `score_features`."""
    # The temperature takes the logits of all images at once.
    logits = np.empty((images.images if labels is not None else 0, images.classes))

    def score(rows: slice) -> dict[str, NDArray[Any]]:
        evidence = images.of(rows)
        columns: dict[str, NDArray[Any]] = {"prediction": evidence.yes.winner.astype(np.int32)}
        columns |= {method: SCORES[method].of(evidence) for method in methods.scores}
        columns |= {f"accepts_{rule}": RULES[rule].of(evidence) for rule in methods.rules}
        if labels is not None:
            logits[rows] = evidence.yes.values
            columns |= image_calibration(logits[rows], labels[rows])._asdict()
        return columns

    # A matrix product that splits itself over threads rounds by their number; the pool keeps them busy without that.
    with one_thread():
        parts = list(pool.map(score, (slice(start, start + ROWS) for start in range(0, images.images, ROWS))))
    table = pd.DataFrame({column: np.concatenate([part[column] for part in parts]) for column in parts[0]})
    if labels is None:
        return table
    temperature = best_temperature(logits, labels)
    return table.assign(temperature=np.nan if temperature is None else temperature)


def _features(dataset: str, inputs: ScoringInputs) -> Features:
    return read_image_features(inputs.features / f"{dataset}.safetensors")


def labelled(scores: pd.DataFrame, id_dataset: str, dataset: str, datasets: Path) -> pd.DataFrame:
    """Scores behind the columns that name each image, and before the cleaning lists of its manifest.

    Raises:
        ClipnError: there are more or fewer images.
    """
    manifest = _manifest_of(dataset, datasets, len(scores))
    # An OOD image has none of these classes, and its own dataset's labels would look like some.
    labels = manifest["label"].to_numpy() if dataset == id_dataset else np.full(len(scores), -1)
    image = {"row": np.arange(len(scores)), "path": manifest["path"], "label": labels}
    names = pd.DataFrame({"id": id_dataset, "dataset": dataset, **image})
    # pandas' own bool has no third value for the images that nobody inspected.
    cleaned = manifest.filter(regex=f"^{CLEAN}").astype("boolean")
    return pd.concat([names.astype({"row": "int32", "label": "int32"}), scores, cleaned], axis=1)


def _manifest_of(dataset: str, datasets: Path, images: int) -> pd.DataFrame:
    """Manifest of a dataset in the folder `datasets`; raises ClipnError unless it has so many images."""
    manifest = read_manifest(datasets / dataset / "manifest.parquet")
    if len(manifest) != images:
        raise ClipnError(f"{dataset}: {images} features, {len(manifest)} images in the manifest; cache them again")
    return manifest
