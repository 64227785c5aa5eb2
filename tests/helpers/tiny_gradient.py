"""Gradients of one small batch, by whatever processes and passes."""

import torch
from torch import Tensor

from clipn.model.clipn import CLIPN
from clipn.training.distributed import ProcessGroup
from clipn.training.gradient import Batch, backward
from clipn.training.settings import Variant
from tests.helpers.tiny_model import tiny_model, unit
from tests.helpers.tiny_run import CAPTIONS

SIZE = 8


def turned_model() -> CLIPN:
    """A model whose "no" tower is no copy any more."""
    model = tiny_model()
    with torch.no_grad():
        model.no.text_projection.add_(0.1 * torch.randn(32, 32, generator=torch.Generator().manual_seed(3)))
    return model


def gradients(settings: Variant, group: ProcessGroup | None = None) -> dict[str, Tensor]:
    """Gradients by parameter of the "no" tower, and the `losses`."""
    model, group = turned_model(), group or ProcessGroup()
    tokens = model.tokenizer(CAPTIONS[:SIZE])
    whole = (unit(SIZE), model.encode_text(tokens).detach(), tokens, torch.arange(SIZE) % 5)
    batch = Batch(*(group.part(part) for part in whole), size=SIZE)
    losses = backward(model, batch, settings, group, torch.amp.GradScaler("cpu", enabled=False), "cpu")
    found = {name: value.grad for name, value in model.no.named_parameters() if value.grad is not None}
    return {"losses": losses, **found}
