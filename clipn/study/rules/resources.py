"""What jobs take of the machine, as rules tell Snakemake."""

import os
from collections.abc import Callable
from math import ceil
from typing import Any

Amount = int | Callable[[Any], int]
"""A number, or a function of the job's wildcards."""


def job_resources(
    mem_mb: Amount, threads: Amount = 1, gpus: Amount = 0, cpu_percent: int | None = None
) -> dict[str, Amount]:
    """Resources of a job.

    Args:
        mem_mb: memory in MB.
        threads: that are busy.
        gpus: that it needs.
        cpu_percent: share of this machine's cores, where it is not that of the threads.
    """

    def busy_percent(wildcards: Any) -> int:
        busy = threads(wildcards) if callable(threads) else threads
        return min(100, ceil(100 * busy / len(os.sched_getaffinity(0))))

    return {"mem_mb": mem_mb, "cpu_percent": cpu_percent or busy_percent, "gpu": gpus}
