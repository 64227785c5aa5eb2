"""Training curves for TensorBoard, where it is installed."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Board(Protocol):
    """Takes the values of a step."""

    def __call__(self, step: int, values: Mapping[str, float]) -> None:
        """Note `values` by name."""


@contextmanager
def board(folder: Path | None, start: int) -> Iterator[Board]:
    """A board that writes to `folder` from step `start` on; without a folder or TensorBoard it notes nothing."""
    if folder is None or importlib.util.find_spec("tensorboard") is None:
        yield lambda step, values: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder, purge_step=start) as writer:

        def note(step: int, values: Mapping[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield note
