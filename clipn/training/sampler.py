"""Which samples each training step takes, and their random numbers, all fixed by the seed."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

PROMPT, TEMPLATE, VIEW, CROP = STREAMS = range(4)
"""Streams of random numbers; no number of one depends on another."""
SUBSET_SEED = 2**32 - 1
"""Of the order in which growing fractions take up samples; no training has this seed."""
SMALLEST_SUBSET = 2


@dataclass(frozen=True)
class Sampler:
    """Takes every sample once per epoch, in an order fixed by (seed, epoch), batch by batch.

    Batches hold `batch_size` samples or a few less, so that those of an epoch are as equal as can be. Of a `fraction`
    of the samples, in (0, 1], epochs take a random subset, no less than a batch of two. It depends on the number of
    samples only, and that of a smaller fraction lies within that of a larger one.
    """

    samples: int
    batch_size: int
    epochs: int
    seed: int
    fraction: float = 1.0

    @property
    def samples_per_epoch(self) -> int:
        """Samples of the subset."""
        # The loss compares samples with each other; with one alone, its unmatched term is 0.
        return min(max(round(self.fraction * self.samples), SMALLEST_SUBSET), self.samples)

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
        # Drawn for all samples and then picked, so that neither batch size nor fraction changes a sample's number.
        return _draws(self.samples, self.seed, self.epoch(step), stream, high)[self.rows(step)]


@lru_cache(maxsize=1)
def _subset(samples: int, number: int) -> Tensor:
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(SUBSET_SEED))
    return order[:number].sort().values


# Two epochs are asked for in turn where one ends: the loader of online crops is a few batches ahead.
@lru_cache(maxsize=2)
def _permutation(samples: int, seed: int, epoch: int) -> Tensor:
    # Seeds are 100,003 apart, more than a training has epochs, so no two trainings share an order.
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed * 100_003 + epoch))


@lru_cache(maxsize=len(STREAMS))
def _draws(samples: int, seed: int, epoch: int, stream: int, high: int) -> Tensor:
    state = int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> 1)
    return torch.randint(high, (samples,), generator=torch.Generator().manual_seed(state))
