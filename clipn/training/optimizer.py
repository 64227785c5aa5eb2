"""AdamW with the authors' grouping and a cosine schedule."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from clipn.training.settings import OptimizerSettings

BETAS = (0.9, 0.98)
EPSILON = 1e-6
LARGEST_LOGIT_SCALE = math.log(100)
"""CLIP's bound of the logarithm of the scale, beyond which its authors saw training become unstable."""


def adamw(parameters: Iterable[tuple[str, nn.Parameter]], settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW over named parameters; decay on tensors with two or more dimensions, as in open_clip."""
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for name, parameter in parameters:
        is_exempt = parameter.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))
        (exempt if is_exempt else decayed).append(parameter)
    # The state of an interrupted training numbers parameters as they stand here.
    groups = [
        {"params": exempt, "weight_decay": 0.0},
        {"params": decayed, "weight_decay": settings.weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=BETAS, eps=EPSILON, fused=True)


def learning_rate(settings: OptimizerSettings, step: int, steps: int) -> float:
    """Learning rate of `step` (from 0) of `steps`: linear warm-up, then half a cosine to zero."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    # A warm-up may be as long as the training, which leaves nothing to divide by.
    progress = (step - settings.warmup_steps) / max(steps - settings.warmup_steps, 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
