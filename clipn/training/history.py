"""The log of a training as CSV, and its curves for TensorBoard where that is installed."""

import csv
import importlib.util
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from clipn.errors import ClipnError
from clipn.files import atomic


class ScalarWriter(Protocol):
    """Writes the values of a step."""

    def __call__(self, step: int, values: Mapping[str, float]) -> None:
        """Write `values` by name."""


@contextmanager
def scalar_writer(folder: Path | None, start: int) -> Iterator[ScalarWriter]:
    """A writer of curves to `folder` from step `start` on; without a folder or TensorBoard it writes nothing."""
    if folder is None or importlib.util.find_spec("tensorboard") is None:
        yield lambda step, values: None
        return
    from torch.utils.tensorboard import SummaryWriter

    # A training that goes on repeats the steps after its last state; TensorBoard then hides their first events.
    with SummaryWriter(folder, purge_step=start) as writer:

        def write(step: int, values: Mapping[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield write


class DivergedError(ClipnError):
    """A loss, a gradient or a parameter is NaN or infinite."""


class StepLog:
    """One row of numbers per step: step, epoch, losses, learning rate."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[float]] = ()) -> None:
        self.losses = list(columns)
        self.rows = [list(row) for row in rows]

    def add(self, step: int, epoch: int, losses: Sequence[float], rate: float) -> None:
        """Add the row of one step.

        Raises:
            DivergedError: a loss is NaN or infinite.
        """
        if not all(map(math.isfinite, losses)):
            named = ", ".join(f"{name} {value:.4g}" for name, value in zip(self.losses, losses, strict=True))
            raise DivergedError(f"training diverged at step {step} ({named}); lower `learning_rate`")
        self.rows.append([step, epoch, *losses, rate])

    def write(self, path: Path) -> None:
        """Write the CSV atomically."""
        with atomic(path) as temporary, temporary.open("w", newline="") as stream:
            # The module's own line ends are those of Windows.
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["step", "epoch", *self.losses, "learning_rate"])
            writer.writerows(
                [int(step), int(epoch), *(f"{loss:.6f}" for loss in losses), f"{rate:.6e}"]
                for step, epoch, *losses, rate in self.rows
            )
