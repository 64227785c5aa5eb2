"""The processes that share a batch: one, or those that `torchrun` started."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from clipn.errors import ClipnError


class ProcessGroup:
    """Splits a batch among processes and puts what they computed together again.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    def slice(self, n: int) -> slice:
        """Which of `n` rows are this process's; parts differ by one row at most."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def part(self, rows: Tensor) -> Tensor:
        """This process's rows (m, ...) of all `rows` (n, ...)."""
        return rows[self.slice(len(rows))]

    def all_gather(self, part: Tensor, n: int) -> Tensor:
        """All `n` rows, of which `part` (m, d) are this process's; carries no gradient."""
        if self.size == 1:
            return part.detach()
        # gloo's all_gather refuses parts of different sizes; adding zeros is exact.
        rows = torch.zeros(n, *part.shape[1:], dtype=part.dtype, device=part.device)
        rows[self.slice(n)] = part.detach()
        distributed.all_reduce(rows)
        return rows

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes."""
        if self.size == 1:
            return
        # A sum and not DistributedDataParallel's mean: every process has its rows' part of one global gradient.
        for parameter in parameters:
            assert parameter.grad is not None
            distributed.all_reduce(parameter.grad)

    def any(self, flag: bool, device: str) -> bool:
        """Whether any process says so; waits for all of them."""
        if self.size == 1:
            return flag
        flags = torch.tensor(float(flag), device=device)
        distributed.all_reduce(flags)
        return bool(flags)


@contextmanager
def process_group(device: str, expected: int) -> Iterator[tuple[ProcessGroup, str]]:
    """Join the processes that `torchrun` started; yields their group and the device of this one, `prepare_torch`'s.

    Raises:
        ClipnError: they are not as many as `expected`.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size != expected:
        raise ClipnError(
            f"processes: {expected} expected, {size} running; start with torchrun --nproc-per-node {expected}"
        )
    if size == 1:
        yield ProcessGroup(), device
        return
    if device == "cuda":
        # Checked before NCCL starts, which names no remedy for a device that is not there.
        if torch.cuda.device_count() <= int(os.environ["LOCAL_RANK"]):
            raise ClipnError(f"processes: {expected} need a GPU each, found {torch.cuda.device_count()}; use fewer")
        # That of this process, see `clipn.compute.prepare_torch`.
        device = f"cuda:{torch.cuda.current_device()}"
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield ProcessGroup(int(os.environ["RANK"]), size), device
    finally:
        distributed.destroy_process_group()
