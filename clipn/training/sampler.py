"""The order of samples in training, and the log of its steps."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

PROMPT, TEMPLATE, VIEW, CROP = STREAMS = range(4)
"""Streams of random numbers that do not touch each other."""
SUBSET_SEED = 2**32 - 1
"""Of the order in which a growing share takes up samples; no training's own."""
SMALLEST_SUBSET = 2


@dataclass(frozen=True)
class Order:
    """Which samples each step takes: every sample once per epoch, in an order fixed by (seed, epoch).

    Batches hold `batch_size` samples or a few less, so that those of an epoch are as equal as can be. Of a `share` of
    the samples, in (0, 1], epochs take a random subset, no less than a batch of two. It depends on the number of
    samples only, and that of a smaller share lies within that of a larger one.
    """

    samples: int
    batch_size: int
    epochs: int
    seed: int
    share: float = 1.0

    @property
    def samples_per_epoch(self) -> int:
        """Samples of the subset."""
        return min(max(round(self.share * self.samples), SMALLEST_SUBSET), self.samples)

    @property
    def subset(self) -> Tensor:
        """Samples (n,) that epochs take, ascending."""
        return _subset(self.samples, self.samples_per_epoch)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return -(-self.samples_per_epoch // self.batch_size)

    @property
    def smallest_batch(self) -> int:
        """Samples of the smallest batch."""
        return self.samples_per_epoch // max(self.steps_per_epoch, 1)

    @property
    def steps(self) -> int:
        """Batches of the whole training."""
        return self.epochs * self.steps_per_epoch

    def epoch(self, step: int) -> int:
        """Epoch, from 0, that `step` belongs to."""
        return step // self.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        """Whether `step` is the last of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0

    def samples_before(self, step: int) -> int:
        """Samples taken by all steps before `step`, those of later epochs counted again."""
        return self.samples_per_epoch * step // max(self.steps_per_epoch, 1)

    def rows(self, step: int) -> Tensor:
        """Samples (n,) of `step`."""
        batch = step % self.steps_per_epoch
        number = self.samples_per_epoch
        start, stop = (number * edge // self.steps_per_epoch for edge in (batch, batch + 1))
        return self.subset[_permutation(number, self.seed, self.epoch(step))[start:stop]]

    def draw(self, step: int, stream: int, high: int) -> Tensor:
        """Random numbers (n,) in 0..high-1 for the samples of `step`, fixed by (seed, epoch, sample, stream)."""
        return _draws(self.samples, self.seed, self.epoch(step), stream, high)[self.rows(step)]


@lru_cache(maxsize=1)
def _subset(samples: int, number: int) -> Tensor:
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(SUBSET_SEED))
    return order[:number].sort().values


@lru_cache(maxsize=2)
def _permutation(samples: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed * 100_003 + epoch))


@lru_cache(maxsize=len(STREAMS))
def _draws(samples: int, seed: int, epoch: int, stream: int, high: int) -> Tensor:
    state = int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> 1)
    return torch.randint(high, (samples,), generator=torch.Generator().manual_seed(state))
