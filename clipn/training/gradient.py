"""The gradient of CLIPN's loss over a whole batch, wherever its samples are encoded.

The loss compares all samples of a batch, so it cannot be split. Its gradient can: it is taken with respect to the
features of the whole batch, and every process and every pass takes its own rows of that back through the tower.
Its relative is GradCache (Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from clipn.losses import itbo, total, tso
from clipn.model.clipn import CLIPN
from clipn.training.distributed import ProcessGroup
from clipn.training.settings import Variant

LOSSES = ["matched", "unmatched", "tso", "total"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Batch(NamedTuple):
    """This process's part, m samples, of a batch of `size`.

    Attributes:
        image: unit-norm features (m, d).
        yes: unit-norm features (m, d).
        tokens: (m, length), for the "no" tower.
        choice: (m,) prompt of every text, None without a bank.
        size: samples of the whole batch.
    """

    image: Tensor
    yes: Tensor
    tokens: Tensor
    choice: Tensor | None
    size: int


def autocast(settings: Variant, device: str) -> torch.autocast:
    """The towers' precision; weights, features and losses stay float32."""
    dtype = DTYPES[settings.precision]
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32)


def backward(
    model: CLIPN, batch: Batch, settings: Variant, group: ProcessGroup, scaler: torch.amp.GradScaler, device: str
) -> Tensor:
    """Add the gradient of the whole batch's loss to every trained parameter, times the scaler's factor.

    With several passes per batch the tower runs twice: first for the features, then for the gradient.

    Returns:
        The losses (4,): matched, unmatched, TSO, and the weighted sum of those that train.
    """
    rows = torch.arange(len(batch.tokens)).split(settings.micro_batch or len(batch.tokens))
    # A single pass keeps its graph and need not run again; those of several would not fit into memory together.
    with torch.set_grad_enabled(len(rows) == 1):
        features = [_encode(model, batch, part, settings, device) for part in rows]
    no = group.all_gather(torch.cat(features), batch.size).requires_grad_()
    image, yes = (group.all_gather(part.to(device), batch.size) for part in (batch.image, batch.yes))
    matched, unmatched = itbo(image, yes, no, model.clip.logit_scale.exp())
    opposite = tso(yes, no, settings.tso_epsilon)
    loss = total(matched, unmatched, opposite, settings.losses, settings.loss_weight)
    # Ends at the features, whose gradient it leaves in `no.grad`, and at a learned temperature.
    scaler.scale(loss).backward()
    assert no.grad is not None
    gradient = group.part(no.grad)
    for part in rows:
        feature = features[0] if len(rows) == 1 else _encode(model, batch, part, settings, device)
        feature.backward(gradient[part.to(device)])
    group.sum_gradients(model.no.parameters())
    return torch.stack([matched, unmatched, opposite, loss]).detach()


def _encode(model: CLIPN, batch: Batch, rows: Tensor, settings: Variant, device: str) -> Tensor:
    choice = None if batch.choice is None else batch.choice[rows].to(device)
    with autocast(settings, device):
        features: Tensor = model.no(batch.tokens[rows].to(device), choice)
    return features
