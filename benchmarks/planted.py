"""A generated evaluation: features of ID and OOD images with planted structure, in the pipeline's own files.

Torch is imported where it is needed: the steps that do without it shall be measured without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from clipn.evaluation.classifiers import Towers
    from clipn.evaluation.scoring import ScoringInputs

SCALE = 100.0
"""What multiplies cosines."""
ID = "imagenet"
TEXTS = "planted-texts"
"""Format of the file of class weights."""
PUSH = 0.05
"""Step of perturbed features towards the winner's weight."""

PATCH = -5.0
"""Log-odds of the best patch of an image whose highest cosine is 0; they grow with it."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Size:
    """How much is generated.

    Attributes:
        images: by dataset, `ID` first; all others are OOD.
        classes: of the ID dataset.
        negatives: negative labels.
        width: entries of a feature.
    """

    images: Mapping[str, int]
    classes: int
    negatives: int
    width: int

    @property
    def pairs(self) -> dict[str, list[str]]:
        """OOD datasets of the one ID dataset."""
        return {ID: [name for name in self.images if name != ID]}


@dataclass(frozen=True)
class Look:
    """What is in an image beside noise of length 1: lowest and highest of two shares.

    Attributes:
        id_share: of the weight of its class.
        ood_share: of the direction that all "no" weights share.
    """

    id_share: tuple[float, float]
    ood_share: tuple[float, float]


ID_LOOK = Look((0.08, 0.20), (0.0, 0.10))
OOD_LOOK = Look((0.05, 0.14), (0.05, 0.15))


def scoring_inputs(folder: Path) -> "ScoringInputs":
    """The folders that `plant` wrote, as scoring takes them."""
    from clipn.evaluation.scoring import ScoringInputs

    return ScoringInputs(folder / "datasets", folder / "features")


def plant(folder: Path, size: Size, runs: int, seed: int = 0) -> None:
    """Write all that scoring reads, and the class weights of `runs` runs.

    Every image lies near the weight of a class, OOD images less so than ID images, and OOD images nearer to what all
    "no" weights share. Scores stay away from the ends of their ranges, where probabilities in float64 are tied.
    """
    from clipn.features import stored

    draw = np.random.default_rng(seed)
    yes, ood = _unit(draw.normal(size=(size.classes, size.width))), _unit(draw.normal(size=size.width))
    no = {f"no{run}": _near(draw, 0.3 * yes + 0.8 * ood) for run in range(runs)}
    _write(folder / "texts.safetensors", TEXTS, {"yes": yes, **no})
    cached = scoring_inputs(folder).features
    # NegLabel's are drawn before the images, those of later methods after them, so that older figures stay.
    of_neglabel, *others = (cached / words.folder / f"{ID}.safetensors" for words in stored.WORD_FEATURES.values())
    _write_words(of_neglabel, draw, size, yes, ood)
    perturbed, local = {}, {}
    for name, count in size.images.items():
        classes, look = draw.integers(size.classes, size=count), ID_LOOK if name == ID else OOD_LOOK
        id_share, ood_share = (draw.uniform(*share, size=(count, 1)) for share in (look.id_share, look.ood_share))
        images = _near(draw, id_share * yes[classes] + ood_share * ood)
        perturbed[name] = _unit(images + PUSH * yes[(images @ yes.T).argmax(axis=1)])
        local[name] = PATCH + (images @ yes.T).max(axis=1, keepdims=True).astype(np.float64)
        # Of a generator of their own, as those that were drawn before they were there stay.
        norms = 10 + np.random.default_rng(len(images)).normal(size=count).astype(np.float32)
        _write(cached / f"{name}.safetensors", stored.IMAGE_FORMAT, {"image": images, stored.NORMS: norms})
        _describe(scoring_inputs(folder).datasets / name, classes if name == ID else np.full(count, -1), size.classes)
    _write(cached / "perturbed" / f"{ID}.safetensors", stored.PERTURBED_FORMAT, perturbed)
    _write(cached / "local" / f"{ID}.safetensors", stored.LOCAL_FORMAT, local)
    for path in others:
        _write_words(path, draw, size, yes, ood)


def towers(folder: Path, run: int) -> "Towers":
    """What stands for a model: the class weights of a run, which no text tower made."""
    from clipn.evaluation.classifiers import Towers
    from clipn.model.tensors import read_arrays

    weights, _ = read_arrays(folder / "texts.safetensors", TEXTS)
    return Towers(SCALE, weights["yes"].astype(np.float64), weights[f"no{run}"].astype(np.float64))


def _write_words(path: Path, draw: np.random.Generator, size: Size, yes: Array, ood: Array) -> None:
    """ID labels near the class weights, and words near what all "no" weights share."""
    from clipn.features.stored import NEGATIVES_FORMAT

    negatives = _near(draw, np.broadcast_to(0.3 * ood, (size.negatives, size.width)))
    _write(path, NEGATIVES_FORMAT, {"labels": _near(draw, 2 * yes), "negatives": negatives})


def _write(path: Path, file_format: str, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    import torch

    from clipn.model.tensors import write_safetensors

    write_safetensors(path, {name: torch.from_numpy(array) for name, array in arrays.items()}, {"format": file_format})


def _describe(folder: Path, labels: NDArray[np.int64], classes: int) -> None:
    """Write manifest and description of a dataset."""
    from clipn.data.description import Description
    from clipn.data.manifest import SCHEMA, write_manifest
    from clipn.files import write_json

    rows = range(len(labels))
    columns = {"path": [f"{row:06d}.jpg" for row in rows], "label": labels, "sha256": [f"{row:064x}" for row in rows]}
    table = pd.DataFrame(columns).assign(width=500, height=375)
    write_manifest(pa.Table.from_pandas(table, SCHEMA, preserve_index=False), folder / "manifest.parquet")
    names = [f"class {number}" for number in range(classes)] if folder.name == ID else []
    description = Description(
        title=folder.name, classes=names, archives={}, proof={}, names="unverified", images=len(labels)
    )
    write_json(folder / "dataset.json", description.model_dump())


def _near(draw: np.random.Generator, centres: NDArray[Any]) -> Array:
    """Unit vectors (n, d) around centres (n, d), whose lengths are in units of the noise's."""
    return _unit(centres + _unit(draw.normal(size=centres.shape)))


def _unit(vectors: NDArray[Any]) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
