"""The plain way to evaluate a checkpoint, as research code does: what is measured against.

A dataset is scored in batches of 512 images. The logits of a batch are matrix products in float64, on all threads that
BLAS has; the methods of the batch share them, and nothing else. Every method goes its own way from there, with SciPy's
`softmax` and `logsumexp`, and appends to a list; NegLabel takes a softmax over the ID labels and each group of
negative ones in turn, as its authors' code does. Every method and OOD set gets its metrics from scikit-learn, and
nothing is kept from one checkpoint to the next. Scripts of the field compute in float32; these digits could not be
compared to 1e-6.

Independent of `clipn`'s own mathematics, so that tests compare with it too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import entr, expit, logsumexp, softmax
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

BATCH = 512
TEMPERATURE = 1000
"""ODIN's."""
GROUPS = 100
"""NegLabel's."""
WORDS = {
    "negative_labels": {"labels": "labels", "negatives": "negatives"},
    "csp": {"csp_labels": "labels", "csp_negatives": "negatives"},
    "eoe": {"eoe_labels": "labels", "eoe_outliers": "negatives"},
}
"""Folders of words: what their features are called here, and in the file."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Texts:
    """Unit-norm text features (classes, d), float64, and what goes with them.

    Attributes:
        yes: of the "yes" tower.
        no: of the "no" tower.
        words: of the ID labels and of the words (m, d) of NegLabel, CSP and EOE.
        clip_at: ReAct's limit.
        scale: what multiplies cosines.
    """

    yes: Array
    no: Array
    words: Mapping[str, Array]
    clip_at: float
    scale: float


@dataclass(frozen=True)
class Batch:
    """Features (n, d) of some images, as they are and perturbed; their logits, when a method asks for them.

    And the log-odds (n, 1) of their best patches.
    """

    texts: Texts
    images: Array
    moved: Array
    patch: Array

    @cached_property
    def yes(self) -> Array:
        """Logits (n, classes) of the "yes" tower."""
        return self.texts.scale * (self.images @ self.texts.yes.T)

    @cached_property
    def no(self) -> Array:
        """Logits (n, classes) of the "no" tower."""
        return self.texts.scale * (self.images @ self.texts.no.T)

    @cached_property
    def clipped(self) -> Array:
        """Logits (n, classes) of clipped features."""
        return self.texts.scale * (np.minimum(self.images, self.texts.clip_at) @ self.texts.yes.T)

    @cached_property
    def perturbed(self) -> Array:
        """Logits (n, classes) of perturbed images."""
        return self.texts.scale * (self.moved @ self.texts.yes.T)

    @cached_property
    def words(self) -> dict[str, Array]:
        """Logits (n, classes) of the ID labels under the prompts of a method, and (n, m) of its words."""
        return {name: self.texts.scale * (self.images @ words.T) for name, words in self.texts.words.items()}

    @cached_property
    def p_no(self) -> Array:
        """Probability (n, classes) that "no" is the better text."""
        return np.asarray(expit(self.no - self.yes))

    @cached_property
    def atd(self) -> tuple[Array, Array]:
        """Probabilities of ATD's ID classes (n, classes), and of its OOD class (n,)."""
        p = softmax(self.yes, axis=1)
        return p * (1 - self.p_no), np.sum(p * self.p_no, axis=1)


def gen(batch: Batch) -> Array:
    """Negated generalised entropy (n,) of the 100 most probable classes, gamma 0.1."""
    p = np.sort(softmax(batch.yes, axis=1), axis=1)[:, -100:]
    return np.asarray(-np.sum(p**0.1 * (1 - p) ** 0.1, axis=1))


def logit_gap(batch: Batch) -> Array:
    """Highest cosine less the mean (n,) of the next ones among a fifth of the classes."""
    cosines = np.sort(batch.yes / batch.texts.scale, axis=1)[:, ::-1]
    return np.asarray(cosines[:, 0] - cosines[:, 1 : cosines.shape[1] // 5].mean(axis=1))


def neglabel(labels: Array, negatives: Array) -> Array:
    """Share (n,) of the ID labels in a softmax with a group of negative labels, mean over the groups."""
    groups = min(GROUPS, negatives.shape[1])
    size = negatives.shape[1] // groups
    shares = []
    for group in range(groups):
        grouped = negatives[:, group * size : (group + 1) * size]
        p = softmax(np.concatenate([labels, grouped], axis=1), axis=1)
        shares.append(p[:, : labels.shape[1]].sum(axis=1))
    return np.asarray(np.mean(shares, axis=0))


def eoe(batch: Batch) -> Array:
    """Highest share (n,) of an ID label less a quarter of that of an outlier, in a softmax of the cosines."""
    labels, outliers = batch.words["eoe_labels"], batch.words["eoe_outliers"]
    p = softmax(np.concatenate([labels, outliers], axis=1) / batch.texts.scale, axis=1)
    return np.asarray(p[:, : labels.shape[1]].max(axis=1) - 0.25 * p[:, labels.shape[1] :].max(axis=1))


def entropy(batch: Batch) -> Array:
    """Negated entropy (n,) of the classes; the logarithm of the largest p is that of 1 less the others."""
    others = np.sort(softmax(batch.yes, axis=1), axis=1)[:, :-1]
    rest = others.sum(axis=1)
    return np.asarray((1 - rest) * np.log1p(-rest) - entr(others).sum(axis=1))


def ctw(batch: Batch) -> Array:
    """Probability (n,) that the winning class gets no "no"."""
    return np.asarray(1 - batch.p_no[np.arange(len(batch.p_no)), batch.yes.argmax(axis=1)])


METHODS: dict[str, Callable[[Batch], Array]] = {
    "msp": lambda batch: softmax(batch.yes, axis=1).max(axis=1),
    "max_logit": lambda batch: batch.yes.max(axis=1),
    "energy": lambda batch: logsumexp(batch.yes, axis=1),
    "mcm": lambda batch: softmax(batch.yes / batch.texts.scale, axis=1).max(axis=1),
    "ctw": ctw,
    "atd": lambda batch: batch.atd[0].sum(axis=1),
    "react": lambda batch: logsumexp(batch.clipped, axis=1),
    "odin": lambda batch: softmax(batch.yes / TEMPERATURE, axis=1).max(axis=1),
    "odin_perturbed": lambda batch: softmax(batch.perturbed / TEMPERATURE, axis=1).max(axis=1),
    "gen": gen,
    "neglabel": lambda batch: neglabel(batch.words["labels"], batch.words["negatives"]),
    "gl_mcm": lambda batch: softmax(batch.yes / batch.texts.scale, axis=1).max(axis=1) + expit(batch.patch[:, 0]),
    "l_mcm": lambda batch: expit(batch.patch[:, 0]),
    "logit_gap": logit_gap,
    "csp": lambda batch: neglabel(batch.words["csp_labels"], batch.words["csp_negatives"]),
    "eoe": eoe,
    "entropy": entropy,
}
"""Scores (n,), higher = more in-distribution; probabilities as they are."""


RULES: dict[str, Callable[[Batch], Array]] = {
    "ctw": lambda batch: ctw(batch) >= 0.5,
    "atd": lambda batch: batch.atd[0].max(axis=1) >= batch.atd[1],
    "atd_original": lambda batch: softmax(batch.yes, axis=1).max(axis=1) >= batch.atd[1],
}
"""Decisions (n,), True = in-distribution."""


def read(path: Path) -> dict[str, Array]:
    """Arrays of a safetensors file."""
    return dict(load_file(path))


def read_texts(folder: Path, id_dataset: str, run: int, id_images: Array, scale: float) -> Texts:
    """Text features of a run that `benchmarks.planted` wrote; `id_images` (n, d) set ReAct's limit."""
    texts = {name: array.astype(np.float64) for name, array in read(folder / "texts.safetensors").items()}
    words = dict[str, Array]()
    for method, names in WORDS.items():
        cached = read(folder / "features" / method / f"{id_dataset}.safetensors")
        words |= {name: cached[key].astype(np.float64) for name, key in names.items()}
    limit = float(np.quantile(id_images, 0.9, method="inverted_cdf"))
    return Texts(texts["yes"], texts[f"no{run}"], words, limit, scale)


def read_images(folder: Path, id_dataset: str, names: Iterable[str]) -> tuple[dict[str, Array], ...]:
    """By dataset: features of the images as they are and perturbed, and the log-odds of their best patches."""
    features = folder / "features"
    images = {name: read(features / f"{name}.safetensors")["image"] for name in names}
    return images, *(read(features / own / f"{id_dataset}.safetensors") for own in ("perturbed", "local"))


def score(
    texts: Texts, features: Array, perturbed: Array, local: Array, methods: Iterable[str], rules: Iterable[str]
) -> dict[str, Array]:
    """Columns of a dataset: `prediction`, one per method, `accepts_<rule>` per rule; features (n, d) in any float."""
    columns: dict[str, Callable[[Batch], Array]] = {"prediction": lambda batch: batch.yes.argmax(axis=1)}
    columns |= {method: METHODS[method] for method in methods}
    columns |= {f"accepts_{rule}": RULES[rule] for rule in rules}
    parts: dict[str, list[Array]] = {name: [] for name in columns}
    for start in range(0, len(features), BATCH):
        rows = slice(start, start + BATCH)
        batch = Batch(texts, features[rows].astype(np.float64), perturbed[rows].astype(np.float64), local[rows])
        for name, function in columns.items():
            parts[name].append(function(batch))
    return {name: np.concatenate(part) for name, part in parts.items()}


def measure(id_scores: Array, ood_scores: Array) -> dict[str, float]:
    """AUROC, AUPR both ways, and FPR95 interpolated as in CLIPN's code; fractions."""
    is_id = np.concatenate([np.ones(len(id_scores)), np.zeros(len(ood_scores))])
    scores = np.concatenate([id_scores, ood_scores])
    fpr, tpr, _ = roc_curve(is_id, scores)
    return {
        "auroc": float(roc_auc_score(is_id, scores)),
        "aupr_id": float(average_precision_score(is_id, scores)),
        "aupr_ood": float(average_precision_score(1 - is_id, -scores)),
        "fpr95": float(np.interp(0.95, tpr, fpr)),
    }


def evaluate(
    scores: Mapping[str, Mapping[str, Array]], id_dataset: str, methods: Collection[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics by OOD dataset and method, from the columns of every dataset."""
    return {
        name: {method: measure(scores[id_dataset][method], columns[method]) for method in methods}
        for name, columns in scores.items()
        if name != id_dataset
    }
