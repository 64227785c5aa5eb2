"""The types of a method and of a threshold-free rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from clipn.scores.evidence import Evidence, Matrix
from clipn.scores.logits import Array


@dataclass(frozen=True)
class Score:
    """A method: callable as `score(yes_logits, no_logits, logit_scale=100.0)`."""

    name: str
    label: str
    """Name in print."""

    function: Callable[[Evidence], Array]
    """The score (n,), higher = more in-distribution; the log-odds of it where it is a probability."""

    needs: frozenset[str] = frozenset()
    """Keys of `clipn.scores.evidence.NEEDS`."""

    log_odds: bool = False
    """Whether `function` gives the log-odds of a probability."""

    prompts: str | None = None
    """Prompt pool of the method's own; None: that of the study."""

    @property
    def needs_no(self) -> bool:
        """Whether the method needs a "no" tower."""
        return "no" in self.needs

    def __call__(
        self, yes_logits: Matrix, no_logits: Matrix | None = None, logit_scale: float = 100.0, **further: Matrix
    ) -> Any:
        """Scores (n,) float64, higher = more in-distribution; torch or NumPy as `yes_logits` are.

        Args:
            yes_logits: (n, classes), scale x cosine.
            no_logits: (n, classes) of the "no" tower; ignored by methods that do not need it.
            logit_scale: what multiplied the cosines.
            further: more logits, as in `clipn.scores.evidence.Evidence`.

        Raises:
            ClipnError: the method needs logits that are not given, shapes differ, or a logit is not finite.
        """
        values = self.of(Evidence(yes_logits, no_logits, logit_scale, **further))
        return like(np.asarray(expit(values)) if self.log_odds else values, yes_logits)

    def ranking(
        self, yes_logits: Matrix, no_logits: Matrix | None = None, logit_scale: float = 100.0, **further: Matrix
    ) -> Any:
        """The same order without ties by saturation: log-odds of a probability, else the score itself.

        A probability in float64 is 1 for every logit gap above 37; its log-odds tell such images apart.
        """
        return like(self.of(Evidence(yes_logits, no_logits, logit_scale, **further)), yes_logits)

    def of(self, evidence: Evidence) -> Array:
        """As `ranking`, of evidence that several methods share; NumPy.

        Raises:
            ClipnError: the method needs logits that are not given.
        """
        evidence.require(self.needs, f"method {self.name}")
        return self.function(evidence)


@dataclass(frozen=True)
class Rule:
    """A threshold-free decision between ID and OOD."""

    name: str
    label: str
    """Name in print."""

    function: Callable[[Evidence], NDArray[np.bool_]]
    """Whether each image is in-distribution, (n,)."""

    needs: frozenset[str] = frozenset({"no"})
    """Keys of `clipn.scores.evidence.NEEDS`."""

    def of(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Decisions (n,), True = in-distribution; NumPy.

        Raises:
            ClipnError: the rule needs logits that are not given.
        """
        evidence.require(self.needs, f"rule {self.name}")
        return self.function(evidence)


def like(values: NDArray[Any], example: Matrix) -> Any:
    """NumPy values as an array or tensor like `example`, on its device."""
    if not hasattr(example, "detach"):
        return values
    # Who has a tensor has imported torch already; steps without one shall not wait for it.
    import torch

    return torch.from_numpy(values).to(example.device)
