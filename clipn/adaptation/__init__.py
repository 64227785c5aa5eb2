"""Methods that adapt on the test stream, as pure functions.

They see the mix of ID and OOD images that they are measured on, so their figures depend on its order, batch and mix,
and stand in no table with scores that look at one image alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from clipn.adaptation import adaneg, zpe
from clipn.adaptation.memory import Array

__all__ = ["ADAPTIVE", "ANY_ORDER", "WHOLE", "AdaptiveMethod"]

ANY_ORDER = "any"
"""Order of a stream that is seen as a whole."""
WHOLE = "all"
"""Batch of such a stream."""


@dataclass(frozen=True)
class AdaptiveMethod:
    """A method that adapts on the test stream."""

    name: str
    label: str
    """Name in print."""

    function: Callable[..., Array]
    """Scores (n,) of a stream, higher = more in-distribution; arguments as of `clipn.adaptation.adaneg.scores`.

    Of a method that weighs prompts, their weights; arguments as of `clipn.adaptation.zpe.prompt_weights`.
    """

    weighs_prompts: bool = False
    """Whether it sees the stream as a whole, and weighs the prompts of a pool by it; others need NegLabel's words."""


ADAPTIVE: dict[str, AdaptiveMethod] = {
    method.name: method
    for method in (
        AdaptiveMethod("adaneg", "AdaNeg", adaneg.scores),
        AdaptiveMethod(
            "adaneg_released", "AdaNeg, released weights", partial(adaneg.scores, weights=(adaneg.WEIGHT, 1.0))
        ),
        AdaptiveMethod("zpe", "ZPE", zpe.prompt_weights, weighs_prompts=True),
    )
}
