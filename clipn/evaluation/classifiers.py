"""The weights of ID datasets' classes: they turn image features into the logits that methods read."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.features.stored import WORD_FEATURES, Features, LogOdds, read_negative_labels, unit_features
from clipn.model.tensors import mapping_in, read_arrays
from clipn.scores import PLAIN_CLIP, Evidence
from clipn.scores.logits import Array

FORMAT = "clipn-classifiers-1"
Tower = Literal["yes", "no"]
REACT_PERCENTILE = 0.9
"""Share of the activations that ReAct leaves as they are (Sun et al., NeurIPS 2021)."""


def tensor_name(run: str, pool: str, id_dataset: str, tower: Tower) -> str:
    """Name of a classifier in its file."""
    return f"{run}/{pool}/{id_dataset}/{tower}"


class Towers(NamedTuple):
    """What both text towers say of the classes of an ID dataset.

    Attributes:
        scale: what multiplies cosines.
        yes: (classes, d), unit-norm float64.
        no: (classes, d), unit-norm float64; None of plain CLIP.
    """

    scale: float
    yes: Array
    no: Array | None


class ImageEvidence(NamedTuple):
    """What a classifier says of the images of a dataset, taken a few at a time.

    Attributes:
        of: all logits of a range of rows.
        images: number of images.
        classes: number of ID classes.
    """

    of: Callable[[slice], Evidence]
    images: int
    classes: int


@dataclass(frozen=True)
class Classifiers:
    """The classifiers of a backbone and of the runs on it.

    Attributes:
        path: their file.
        weights: (classes, d), unit-norm, by `tensor_name`.
        logit_scales: what multiplied cosines in training, by run.
    """

    path: Path
    weights: Mapping[str, Features]
    logit_scales: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those of `clipn.evaluation.class_texts.cache_classifiers`.

        Raises:
            ClipnError: missing, damaged or foreign file.
        """
        arrays, metadata = read_arrays(path, FORMAT)
        weights = {name: unit_features(path, arrays, name) for name in arrays}
        return cls(path, weights, mapping_in(path, metadata, "logit_scales"))

    def towers(self, run: str, pool: str, id_dataset: str, logit_scale: float | None) -> Towers:
        """Those of a run.

        Args:
            run: name, e.g. `learnable/seed1`; `none` for plain CLIP.
            pool: name of the prompt pool.
            id_dataset: whose classes.
            logit_scale: what multiplies cosines; None: the model's own.

        Raises:
            ClipnError: they are not in the file.
        """
        names = (tensor_name(model, pool, id_dataset, "yes") for model in (run, PLAIN_CLIP))
        yes = next((self.weights[name] for name in names if name in self.weights), None)
        no = self.weights.get(tensor_name(run, pool, id_dataset, "no"))
        if yes is None or (no is None and run != PLAIN_CLIP):
            raise ClipnError(
                f"{self.path}: has no classifier of {run}, {pool}, {id_dataset}; encode the classes again, those of a "
                "hand-crafted run by a pool that negates"
            )
        scale = self.logit_scales[run] if logit_scale is None else logit_scale
        return Towers(scale, yes.astype(np.float64), None if no is None else no.astype(np.float64))


@dataclass(frozen=True)
class IDClassifier:
    """Weights by which features (n, d) become logits; all float64, multiplied by the logit scale.

    Attributes:
        scale: what multiplied the cosines.
        yes: (classes, d) of the "yes" tower.
        no: (classes, d) of the "no" tower.
        clip_at: largest activation that ReAct lets through.
        words: (classes, d) of the ID labels under the prompts of a method, and (m, d) of its words, by the keyword by
            which `Evidence` takes their logits.
        bias: (classes,) added to the "yes" logits, of a classifier that was fitted on training images.
    """

    scale: float
    yes: Array
    no: Array | None = None
    clip_at: float | None = None
    words: Mapping[str, Array] = field(default_factory=dict)
    bias: Array | None = None

    def evidence(
        self,
        features: NDArray[np.floating],
        perturbed: NDArray[np.floating] | None = None,
        local: LogOdds | None = None,
    ) -> Evidence:
        """All logits of some images.

        Args:
            features: unit-norm (n, d).
            perturbed: the same of the images as ODIN moved them.
            local: log-odds (n, 1) of their best patches.
        """
        # In float32 the products would round away the last digits that tell nearly equal images apart.
        features = features.astype(np.float64)
        return Evidence(
            features @ self.yes.T if self.bias is None else features @ self.yes.T + self.bias,
            None if self.no is None else features @ self.no.T,
            self.scale,
            clipped=None if self.clip_at is None else np.minimum(features, self.clip_at) @ self.yes.T,
            perturbed=None if perturbed is None else perturbed.astype(np.float64) @ self.yes.T,
            local=local,
            **{name: features @ weights.T for name, weights in self.words.items()},
        )


def id_classifier(
    towers: Towers, needs: Collection[str], id_features: Features, features: Path, id_dataset: str
) -> IDClassifier:
    """The weights that methods with `needs`, keys of `clipn.scores.evidence.NEEDS`, take.

    Args:
        towers: of the run and the ID dataset.
        needs: what the methods need beside "yes" logits.
        id_features: (n, d) of the ID dataset. Their activations set ReAct's limit, since there are no training images
            at hand; labels are not used.
        features: folder of the features, in which the words of methods that need them are read.
        id_dataset: whose words.
    """
    scale = towers.scale
    clip_at = None
    if "clipped" in needs:
        # np.quantile would interpolate between two entries; the limit is an activation that occurs.
        activations = id_features.ravel()
        last_kept = max(1, round(REACT_PERCENTILE * len(activations))) - 1
        clip_at = float(np.partition(activations, last_kept)[last_kept])
    words: dict[str, Array] = {}
    for of_method in WORD_FEATURES.values():
        if of_method.negatives in needs:
            pair = read_negative_labels(features / of_method.folder / f"{id_dataset}.safetensors")
            for name, weights in zip((of_method.labels, of_method.negatives), pair, strict=True):
                words[name] = scale * weights.astype(np.float64)
    return IDClassifier(
        scale,
        scale * towers.yes,
        scale * towers.no if "no" in needs and towers.no is not None else None,
        clip_at,
        words,
    )
