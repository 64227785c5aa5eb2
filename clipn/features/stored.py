"""Cached features as steps without torch read them: NumPy arrays, unit-norm float32."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.model.tensors import read_arrays, read_metadata

Features = NDArray[np.float32]
LogOdds = NDArray[np.float64]

IMAGE_FORMAT = "clipn-image-features-1"
NORMS = "norms"
"""Name of the array, beside image features, of their lengths before they were brought to 1."""


class WordFeatures(NamedTuple):
    """Where a method keeps the features of its ID labels and of its words, and what it reads their logits by.

    Attributes:
        folder: beside the image features, with a file per ID dataset.
        labels: of the ID labels, a key of `clipn.scores.evidence.NEEDS`.
        negatives: the same of the words.
    """

    folder: str
    labels: str
    negatives: str


WORD_FEATURES = {
    "neglabel": WordFeatures("negative_labels", "labels", "negatives"),
    "csp": WordFeatures("csp", "csp_labels", "csp_negatives"),
    "eoe": WordFeatures("eoe", "eoe_labels", "eoe_outliers"),
}
"""By name of the method."""


class LinearClassifier(NamedTuple):
    """What is fitted on image features f, (d,): its logits are f W^T + b.

    Attributes:
        weights: W (classes, d), float64.
        bias: b (classes,), float64.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


class PromptFeatures(NamedTuple):
    """What every prompt of a pool says of the classes of an ID dataset.

    Attributes:
        pool: name of the prompt pool.
        texts: unit-norm (prompts, classes, d).
        pretraining: mean feature (d,) of pretraining images.
    """

    pool: str
    texts: Features
    pretraining: NDArray[np.float64]


PERTURBED_FORMAT = "clipn-perturbed-features-2"
LOCAL_FORMAT = "clipn-local-features-1"
NEGATIVES_FORMAT = "clipn-negative-labels-1"
DISCRIMINANT_FORMAT = "clipn-discriminant-1"
PROBE_FORMAT = "clipn-probe-1"
NETWORK_FORMAT = "clipn-network-logits-1"
NETWORKS = "networks"
"""Folder, among those of the features of backbones, of the logits of networks, with a folder for each."""
PROMPTS_FORMAT = "clipn-prompt-features-1"
OFF_UNIT = 1e-2
"""How far from 1 the squared length of a feature may be: twice what normalising in bfloat16 leaves."""


def read_image_features(path: Path) -> Features:
    """Features (n, d) of `clipn.features.images.cache_image_features`.

    Raises:
        ClipnError: missing, damaged or foreign file, or as `unit_features`.
    """
    return unit_features(path, read_arrays(path, IMAGE_FORMAT)[0], "image")


def read_norms(path: Path) -> Features:
    """Lengths (n,) of image features before they were brought to 1, as `clipn.features.images` writes them.

    Raises:
        ClipnError: missing, damaged or foreign file, or one without a positive length of every feature.
    """
    arrays: dict[str, Any] = read_arrays(path, IMAGE_FORMAT, "image")[0]
    if NORMS not in arrays:
        raise ClipnError(f"{path}: has no norms, which features cached earlier lack; delete it and cache them again")
    norms: Features = arrays[NORMS]
    if norms.dtype != np.float32 or norms.shape != arrays["image"].shape[:1] or not (norms > 0).all():
        raise ClipnError(f"{path}: holds no positive float32 length of every feature; delete it and run again")
    return norms


def read_perturbed_features(path: Path) -> dict[str, Features]:
    """Features (n, d) of `clipn.features.perturbed.cache_perturbed_features`, by dataset.

    Raises:
        ClipnError: missing, damaged or foreign file, or as `unit_features`.
    """
    arrays, _ = read_arrays(path, PERTURBED_FORMAT)
    return {name: unit_features(path, arrays, name) for name in arrays}


def read_local_features(path: Path) -> dict[str, LogOdds]:
    """Log-odds (n, 1) of `clipn.features.local.cache_local_features`, by dataset.

    Raises:
        ClipnError: missing, damaged or foreign file, or one that holds no such column of a dataset.
    """
    arrays: Mapping[str, Any] = read_arrays(path, LOCAL_FORMAT)[0]
    for name, array in arrays.items():
        if array.dtype != np.float64 or array.ndim != 2 or array.shape[1] != 1 or not array.size:
            raise ClipnError(f"{path}: holds no float64 column {name!r}; delete it and run again")
    return dict(arrays)


def read_negative_labels(path: Path) -> tuple[Features, Features]:
    """`labels` (classes, d) and `negatives` (m, d) of the words of a method, as `clipn.features.words` writes them.

    Raises:
        ClipnError: missing, damaged or foreign file, or as `unit_features`.
    """
    arrays, _ = read_arrays(path, NEGATIVES_FORMAT)
    return unit_features(path, arrays, "labels"), unit_features(path, arrays, "negatives")


def read_chosen_words(path: Path) -> list[str]:
    """The words behind the `negatives` of `read_negative_labels`, in their order.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    header = read_metadata(path)
    if header.get("format") != NEGATIVES_FORMAT or "chosen" not in header:
        raise ClipnError(f"{path}: holds no words that were chosen; name a file of `clipn features negatives`")
    return [str(word) for word in json.loads(header["chosen"])]


def read_prompt_features(path: Path) -> PromptFeatures:
    """What `clipn.features.prompts.cache_prompt_features` writes.

    Raises:
        ClipnError: missing, damaged or foreign file, or as `unit_features`.
    """
    arrays, header = read_arrays(path, PROMPTS_FORMAT, "pretraining")
    return PromptFeatures(
        header["prompts"], unit_features(path, arrays, "texts"), arrays["pretraining"].astype(np.float64)
    )


def read_discriminant(path: Path) -> LinearClassifier:
    """What `clipn.evaluation.fitted.discriminant` writes, for unit-norm features.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    return _read_linear(path, DISCRIMINANT_FORMAT)


def read_probe(path: Path) -> LinearClassifier:
    """What `clipn.evaluation.fitted.probe` writes, for features that are not normalised; errors as above."""
    return _read_linear(path, PROBE_FORMAT)


def _read_linear(path: Path, file_format: str) -> LinearClassifier:
    arrays: dict[str, Any] = read_arrays(path, file_format, "weights", "bias")[0]
    return LinearClassifier(arrays["weights"], arrays["bias"])


def read_network_logits(path: Path) -> Features:
    """Logits (n, classes) of `clipn.features.network.cache_network_logits`.

    Raises:
        ClipnError: missing, damaged or foreign file, or one that holds no such matrix.
    """
    logits = read_arrays(path, NETWORK_FORMAT, "logits")[0]["logits"]
    if logits.dtype != np.float32 or logits.ndim != 2 or not logits.size:
        raise ClipnError(f"{path}: holds no float32 row of logits for every image; delete it and run again")
    return logits


def unit_features(path: Path, arrays: Mapping[str, Any], name: str) -> Features:
    """The array of a name, (n, d) or (views, n, d).

    Raises:
        ClipnError: there is none, or it has no row or one that is not finite or not unit-norm; no score of it would
            mean anything.
    """
    array: Features | None = arrays.get(name)
    if array is None or array.dtype != np.float32 or array.ndim not in (2, 3) or not array.size:
        raise ClipnError(f"{path}: holds no float32 features {name!r}; delete it and run again")
    if wrong := off_unit(array):
        raise ClipnError(
            f"{path}: {wrong:,} of the features {name!r} are not finite or not of length 1; delete it and run again"
        )
    return array


def off_unit(features: NDArray[np.floating]) -> int:
    """Number of features (..., d) that are not finite or not of length 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("...d,...d->...", features, features)
    # Not `>`, which NaN would pass.
    return int(np.count_nonzero(~(np.abs(squares - 1) <= OFF_UNIT)))
