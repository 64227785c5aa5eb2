"""What a figure was measured on."""

import os
import platform
from pathlib import Path

import open_clip
import torch


def description(device: str) -> str:
    """Processor or accelerator, cores, and versions."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    what = torch.cuda.get_device_name() if device == "cuda" else f"{cpu}, {len(os.sched_getaffinity(0))} cores"
    return f"{what}; Python {platform.python_version()}, torch {torch.__version__}, open_clip {open_clip.__version__}"
