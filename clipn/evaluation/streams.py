"""Measure methods that adapt on the test stream: the images of a pair, ID and OOD shuffled together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clipn.adaptation import ADAPTIVE, ANY_ORDER, WHOLE
from clipn.adaptation.memory import Array
from clipn.compute import described, one_thread
from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.evaluation.evaluate import Pairs
from clipn.evaluation.weighted_prompts import weigh_prompts
from clipn.features.stored import Features, read_image_features, read_negative_labels
from clipn.files import write_json
from clipn.iteration import in_threads
from clipn.metrics import CONVENTION, measures
from clipn.progress import tracked

SHUFFLED = "shuffled"
"""Mix of a stream: all images of an ID dataset and of one of its OOD datasets, in random order."""


@dataclass(frozen=True)
class StreamOptions:
    """Which methods see which streams.

    Attributes:
        methods: names in `clipn.adaptation.ADAPTIVE`.
        seeds: of the orders, a stream of every pair each.
        batch: images that come at once.
        logit_scale: what multiplies cosines.

    Raises:
        ClipnError: there is no such method.
    """

    methods: Sequence[str]
    seeds: Sequence[int]
    batch: int
    logit_scale: float = 100.0

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in ADAPTIVE:
                raise ClipnError(f"method {name!r}: does not adapt on a stream; choose one of {', '.join(ADAPTIVE)}")


class _Stream(NamedTuple):
    """What is measured by itself."""

    id_dataset: str
    ood_dataset: str
    method: str
    seed: int | None
    """None: of a method that sees the stream as a whole."""


def measure_streams(
    backbones: Mapping[Path, tuple[Path, Mapping[str, str | int]]],
    pairs: Pairs,
    options: StreamOptions,
    threads: int = 1,
) -> None:
    """Write the metrics of every stream on several backbones as JSON, all of them fractions.

    Args:
        backbones: folder of a backbone's features and what names it (study, backbone, variant, seed, prompts), by the
            file to write: the names, the arithmetic, and a list `ood` of records, one per pair, method and
            order; those of methods that weigh prompts hold the `weights`, too.
        pairs: OOD datasets of every ID dataset.
        options: methods and streams.
        threads: streams worked on at a time; no digit depends on it.

    Raises:
        ClipnError: features or negative labels are missing, or of different backbones.
    """
    streams = [
        _Stream(id_dataset, ood_dataset, method, seed)
        for id_dataset, ood_datasets in pairs.items()
        for ood_dataset in ood_datasets
        for method in options.methods
        for seed in ([None] if ADAPTIVE[method].weighs_prompts else options.seeds)
    ]
    for output, (features, names) in backbones.items():
        # A matrix product that splits itself over threads rounds by their number.
        with one_thread():
            measured: Iterator[dict[str, Any]] = in_threads(partial(_measured, features, options), streams, threads)
            records = [*tracked(measured, len(streams), f"adapt on {features.name}", "streams")]
        write_json(output, {**names, "convention": CONVENTION, "arithmetic": described(), "ood": records})


def _measured(folder: Path, options: StreamOptions, stream: _Stream) -> dict[str, Any]:
    id_features, ood_features = (
        read_image_features(folder / f"{name}.safetensors") for name in (stream.id_dataset, stream.ood_dataset)
    )
    if id_features.shape[1] != ood_features.shape[1]:
        names = f"{stream.id_dataset} and {stream.ood_dataset}"
        raise ClipnError(f"{folder}: features of {names} differ in size; make them again")
    features = np.concatenate([id_features, ood_features])
    if stream.seed is None:
        path = folder / "prompts" / f"{stream.id_dataset}.safetensors"
        scores, weighted = weigh_prompts(features, path, ADAPTIVE[stream.method].function, options.logit_scale)
        told = {"order_seed": ANY_ORDER, "batch": WHOLE, **weighted}
    else:
        scores = _adapted(features, folder, options, stream)
        told = {"order_seed": stream.seed, "batch": options.batch}
    found = measures(scores[: len(id_features)], scores[len(id_features) :])
    return {
        "id": stream.id_dataset,
        "ood": stream.ood_dataset,
        "ood_version": OFFICIAL,
        "method": stream.method,
        **told,
        "mix": SHUFFLED,
        "id_images": len(id_features),
        "ood_images": len(ood_features),
        "auroc": found.auroc,
        "fpr95": found.fpr95[CONVENTION],
    }


def _adapted(features: Features, folder: Path, options: StreamOptions, stream: _Stream) -> Array:
    """Scores (n,), in the order of `features`, of images that come in that of the seed."""
    words = folder / "negative_labels" / f"{stream.id_dataset}.safetensors"
    labels, negatives = read_negative_labels(words)
    if {labels.shape[1], negatives.shape[1]} != {features.shape[1]}:
        raise ClipnError(f"{words}: labels and images differ in the size of their features; make them again")
    order = np.random.default_rng(stream.seed).permutation(len(features))
    scores = np.empty(len(features))
    function = ADAPTIVE[stream.method].function
    scores[order] = function(features[order], labels, negatives, options.batch, options.logit_scale)
    return scores
