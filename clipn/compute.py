"""How torch runs: threads, device, and the same sums every time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from clipn.errors import ClipnError


def prepare_torch(device: str, threads: int) -> None:
    """Fix the number of threads and ask for deterministic kernels.

    Raises:
        ClipnError: `device` is `cuda` and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ClipnError("device: cuda is not available here; set `device: cpu` in the study")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may add up in any order
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let every operation run in one thread, so that several may run side by side and no digit depends on how many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
