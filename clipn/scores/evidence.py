"""The logits of a batch of images, checked once and shared by all methods."""

from functools import cached_property
from typing import Any, Literal

import numpy as np

from clipn.errors import ClipnError
from clipn.scores.logits import Array, Logits
from clipn.scores.open_set import OpenSet, open_set

Matrix = Any
"""(n, classes) torch tensor or NumPy array."""

NEEDS = {
    "no": "the logits of a `no` text tower (`no_logits`)",
    "clipped": "the logits of clipped image features (`clipped`)",
    "perturbed": "the logits of perturbed images (`perturbed`)",
    "local": "the log-odds of patches (`local`)",
    "labels": "the logits of the ID labels under its own prompt (`labels`)",
    "negatives": "the logits of negative labels (`negatives`)",
    "csp_labels": "the logits of the ID labels under CSP's prompts (`csp_labels`)",
    "csp_negatives": "the logits of CSP's negative labels (`csp_negatives`)",
    "eoe_labels": "the logits of the ID labels under EOE's prompt (`eoe_labels`)",
    "eoe_outliers": "the logits of envisioned outliers (`eoe_outliers`)",
}
"""What a method may need beside the logits of the "yes" tower."""


class Evidence:
    """Logits, scale x cosine, of n images; what is derived from them is computed on first use.

    Args:
        yes_logits: (n, classes) of the "yes" tower, or of plain CLIP.
        no_logits: (n, classes) of the "no" tower.
        logit_scale: what multiplied the cosines.
        clipped: (n, classes) of clipped image features, for ReAct.
        perturbed: (n, classes) of perturbed images, for ODIN.
        local: (n, patches) log-odds of the probability of a patch's winner, by softmax of its cosines; for L-MCM and
            GL-MCM, for which the highest alone will do.
        labels: (n, classes) of the ID labels under NegLabel's prompt.
        negatives: (n, m) of negative labels under NegLabel's prompt.
        csp_labels: (n, classes) of the ID labels under CSP's prompts.
        csp_negatives: (n, m) of CSP's negative labels.
        eoe_labels: (n, classes) of the ID labels under EOE's prompt.
        eoe_outliers: (n, m) of the outliers that EOE's language model envisioned.

    Raises:
        ClipnError: a shape is wrong or differs, a logit is not finite, or the scale is no positive number.
    """

    def __init__(
        self,
        yes_logits: Matrix,
        no_logits: Matrix | None = None,
        logit_scale: float = 100.0,
        *,
        clipped: Matrix | None = None,
        perturbed: Matrix | None = None,
        local: Matrix | None = None,
        labels: Matrix | None = None,
        negatives: Matrix | None = None,
        csp_labels: Matrix | None = None,
        csp_negatives: Matrix | None = None,
        eoe_labels: Matrix | None = None,
        eoe_outliers: Matrix | None = None,
    ) -> None:
        require_scale(logit_scale)
        yes = _checked(yes_logits, "yes_logits")
        alike = {
            "no_logits": no_logits,
            "clipped": clipped,
            "perturbed": perturbed,
            "labels": labels,
            "csp_labels": csp_labels,
            "eoe_labels": eoe_labels,
        }
        # As many images, but a number of columns of their own.
        columns = {
            "local": local,
            "negatives": negatives,
            "csp_negatives": csp_negatives,
            "eoe_outliers": eoe_outliers,
        }
        self.scale = logit_scale
        self.yes = Logits(yes)
        self.given: dict[str, Array] = {}
        for name, matrix in alike.items():
            if matrix is not None:
                array = _checked(matrix, name)
                if array.shape != yes.shape:
                    raise ClipnError(f"{name}: shape {array.shape} is not that of yes_logits, {yes.shape}")
                self.given[name.removesuffix("_logits")] = array
        for name, matrix in columns.items():
            if matrix is not None:
                array = self.given[name] = _checked(matrix, name)
                if len(array) != len(yes):
                    raise ClipnError(f"{name}: got {len(array)} images, but yes_logits are of {len(yes)}")

    @property
    def no(self) -> Array:
        """Logits (n, classes) of the "no" tower."""
        return self.given["no"]

    @cached_property
    def open_set(self) -> OpenSet:
        """ATD's distribution over the ID classes and an OOD class."""
        return open_set(self.yes, self.no)

    @cached_property
    def clipped(self) -> Logits:
        """Logits of clipped image features."""
        return Logits(self.given["clipped"])

    @cached_property
    def perturbed(self) -> Logits:
        """Logits of perturbed images."""
        return Logits(self.given["perturbed"])

    @property
    def local(self) -> Array:
        """Log-odds (n, patches) of the winner's probability of every patch, or of the best one."""
        return self.given["local"]

    @cached_property
    def labels(self) -> Logits:
        """Logits of the ID labels under NegLabel's prompt."""
        return Logits(self.given["labels"])

    @property
    def negatives(self) -> Array:
        """Logits (n, m) of negative labels."""
        return self.given["negatives"]

    @cached_property
    def csp_labels(self) -> Logits:
        """Logits of the ID labels under CSP's prompts."""
        return Logits(self.given["csp_labels"])

    @property
    def csp_negatives(self) -> Array:
        """Logits (n, m) of CSP's negative labels."""
        return self.given["csp_negatives"]

    @cached_property
    def eoe_labels(self) -> Logits:
        """Logits of the ID labels under EOE's prompt."""
        return Logits(self.given["eoe_labels"])

    @cached_property
    def eoe_outliers(self) -> Logits:
        """Logits of the outliers that EOE's language model envisioned."""
        return Logits(self.given["eoe_outliers"])

    def require(self, needs: frozenset[str], what: str) -> None:
        """Check that everything that a method needs was given.

        Args:
            needs: keys of `NEEDS`.
            what: who needs it, e.g. `method atd`.

        Raises:
            ClipnError: something is missing; the message names it.
        """
        missing = [words for name, words in NEEDS.items() if name in needs and name not in self.given]
        if missing:
            raise ClipnError(f"{what}: needs {' and '.join(missing)}")


def require_scale(logit_scale: float) -> None:
    """Raise a ClipnError unless what multiplied the cosines is a positive number."""
    if not isinstance(logit_scale, int | float) or not 0 < logit_scale < np.inf:
        raise ClipnError(f"logit_scale {logit_scale!r}: give the positive number that multiplied the cosines")


def _checked(logits: Matrix, name: str) -> Array:
    if np.ma.is_masked(logits):
        raise ClipnError(f"{name}: is masked; give the images that count alone")
    # A tensor is known by `detach`: importing torch to ask would cost steps without it seconds. NumPy has no bfloat16.
    given = logits.detach().cpu().double() if hasattr(logits, "detach") else logits
    try:
        # NumPy drops imaginary parts.
        casting: Literal["same_kind", "unsafe"] = "same_kind" if np.iscomplexobj(given) else "unsafe"
        array = np.asarray(given).astype(np.float64, casting=casting, copy=False)
    except (TypeError, ValueError) as error:
        raise ClipnError(f"{name}: is no array of numbers ({error})") from error
    if array.ndim != 2 or array.shape[1] == 0:
        remedy = "give one image as one row" if array.ndim == 1 else "give a row per image, a column per class"
        raise ClipnError(f"{name}: expected (n, classes), got shape {array.shape}; {remedy}")
    if not np.isfinite(array).all():
        raise ClipnError(f"{name}: holds NaN or infinity; check the features they were made from")
    return array
