"""The contrastive loss of CLIP, and what other samples of one class in a batch count as."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clipn.training.settings import FalseNegatives


def contrastive(
    image: Tensor,
    text: Tensor,
    scale: Tensor,
    classes: Tensor,
    false_negatives: FalseNegatives,
) -> Tensor:
    """The symmetric loss over a batch, a scalar.

    With few classes, a batch holds several samples of one, and each is a negative of the others though it is none.
    They can be left out of the sums, or be positives of equal weight (elimination and attraction: Huynh et al., WACV
    2022).

    Args:
        image: unit-norm features (n, d).
        text: unit-norm features (n, d), a row per row of `image`.
        scale: what multiplies cosines.
        classes: (n,) class of every sample; equal numbers are one class.
        false_negatives: what other samples of the class of a sample are.
    """
    logits = scale * image @ text.T
    same = classes[:, None] == classes
    own = torch.eye(len(image), dtype=torch.bool, device=logits.device)
    if false_negatives == "eliminate":
        logits = logits.masked_fill(same & ~own, -torch.inf)
    if false_negatives == "attract":
        targets = same.to(logits) / same.sum(dim=1, keepdim=True)
    else:
        # As indices: a product of zero and infinity is no number.
        targets = torch.arange(len(image), device=logits.device)
    return (cross_entropy(logits, targets) + cross_entropy(logits.T, targets)) / 2
