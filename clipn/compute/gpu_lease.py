"""A GPU of a machine with several, for a process alone: Snakemake counts how many are busy, not which."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from clipn.errors import ClipnError

FOLDER = Path(tempfile.gettempdir()) / f"clipn-gpus-{os.getuid()}"
"""Of this machine and user, with a lock per GPU; the system lets go of it when the process ends, however it ends."""


def lease(gpus: Sequence[str], folder: Path = FOLDER) -> tuple[int, FileLock]:
    """The first GPU that no other process has, as an index into `gpus`, and what keeps it until it is released.

    Args:
        gpus: what names each on this machine, whoever sees it: a cluster numbers those of every job from 0.
        folder: of the locks.

    Raises:
        ClipnError: all are taken.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    for index, gpu in enumerate(gpus):
        lock = FileLock(folder / f"{gpu}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return index, lock
    raise ClipnError(
        f"device: other jobs have all {len(gpus)} GPUs; run no more at once (`--resources gpu={len(gpus)}`), or say "
        "which one this shares with another: CUDA_VISIBLE_DEVICES=0"
    )
