"""The two CLIPN losses (Wang et al., ICCV 2023), as pure functions of unit-norm features."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def itbo(image: Tensor, yes: Tensor, no: Tensor, logit_scale: float | Tensor) -> tuple[Tensor, Tensor]:
    """Image-text binary-opposite loss (paper Eq. 3), before weighting.

    p_no[i, j], the probability that "no" text j fits image i better than its "yes" text, is the sigmoid of
    their logit difference. A matched pair (i = j) should have it near 0, an unmatched one near 1. Computed
    in float32 from log-sigmoids, so it is finite for any logits.

    Args:
        image: (n, d) unit-norm image features.
        yes: (n, d) unit-norm features of the captions by the frozen text tower.
        no: (n, d) unit-norm features of the same captions by the "no" text tower.
        logit_scale: what multiplies cosines.

    Returns:
        Two scalars: the mean over the n matched pairs of -log(1 - p_no) and the mean over the n(n - 1)
        unmatched pairs of -log p_no (0 when n = 1).
    """
    with torch.autocast(image.device.type, enabled=False):
        difference = logit_scale * image.float() @ (no.float() - yes.float()).T
        matched = -logsigmoid(-difference.diagonal()).mean()
        n = len(image)
        penalty = -logsigmoid(difference)
        unmatched = (penalty.sum() - penalty.diagonal().sum()) / max(n * (n - 1), 1)
    return matched, unmatched


def tso(yes: Tensor, no: Tensor, eps: float = 1e-4) -> Tensor:
    """Text semantic-opposite loss (paper Eq. 5): mean of 2 - the distance of a caption's two features.

    Args:
        yes: (n, d) unit-norm.
        no: (n, d) unit-norm.
        eps: added inside the root as in the released code; 0 as in the paper.

    Returns:
        A scalar in [0, 2], 0 when every pair is antipodal (slightly less with `eps`).
    """
    with torch.autocast(yes.device.type, enabled=False):
        difference = yes.float() - no.float()
        # Where both features are equal, the root's gradient is infinite without `eps`; that of vector_norm is zero.
        if eps == 0:
            distance: Tensor = torch.linalg.vector_norm(difference, dim=-1)
        else:
            distance = (difference.square().sum(-1) + eps).sqrt()
        return 2 - distance.mean()


def total(
    matched: Tensor, unmatched: Tensor, opposite: Tensor, losses: Literal["both", "itbo", "tso"], weight: float
) -> Tensor:
    """What training minimises: `weight` times ITBO's two terms, TSO, or the sum of all three.

    Args:
        matched: ITBO's term of matched pairs, a scalar.
        unmatched: its term of unmatched pairs, a scalar.
        opposite: TSO, a scalar.
        losses: which of them take part.
        weight: factor of the sum: released code 0.5, paper 1.
    """
    if losses == "tso":
        return weight * opposite
    if losses == "itbo":
        return weight * (matched + unmatched)
    return weight * (matched + unmatched + opposite)
