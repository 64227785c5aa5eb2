"""The order of samples in training, and the log of its steps."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import atomic
from clipn.progress import progress
from clipn.settings import Optimisation


def count_steps(samples: int, settings: Optimisation) -> int:
    """Steps of a whole training; the last batch of an epoch may be smaller."""
    return settings.epochs * -(-samples // settings.batch_size)


def batches(samples: int, settings: Optimisation, seed: int, what: str) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (step, epoch, sample indices): every sample once per epoch, in an order fixed by (seed, epoch)."""
    step = 0
    with progress(samples * settings.epochs, what, "samples") as meter:
        for epoch in range(settings.epochs):
            generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
            order = torch.randperm(samples, generator=generator)
            for start in range(0, samples, settings.batch_size):
                indices = order[start : start + settings.batch_size]
                yield step, epoch, indices
                step += 1
                meter.update(len(indices))


class StepLog:
    """Rows of one CSV line per step, written at the end; refuses a loss that is not finite."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = ["step", "epoch", *columns, "learning_rate"]
        self.rows: list[list[str]] = []

    def add(self, step: int, epoch: int, losses: Sequence[float], rate: float) -> None:
        """Note one step.

        Raises:
            ClipnError: a loss is NaN or infinite.
        """
        named = ", ".join(f"{name} {value:.4g}" for name, value in zip(self.columns[2:-1], losses, strict=True))
        if not all(abs(value) < float("inf") for value in losses):
            raise ClipnError(f"training diverged at step {step} ({named}); lower `learning_rate`")
        self.rows.append([str(step), str(epoch), *(f"{value:.6f}" for value in losses), f"{rate:.6e}"])

    def write(self, path: Path) -> None:
        """Write the CSV atomically."""
        with atomic(path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(self.rows)
