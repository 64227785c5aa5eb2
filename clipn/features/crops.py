"""Random crops of training images, the same for the same seed whoever draws them."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import open_clip
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from clipn.data.shards import ShardImages
from clipn.errors import ClipnError

Transform = Callable[[PIL.Image.Image], Tensor]
Item = tuple[int, int]
"""Row of an image, and the seed of its crop."""


def training_crop(architecture: dict[str, Any]) -> Transform:
    """The released training transform: random resized crop of 90 to 100 % of the area, bicubic, normalised."""
    size, settings = architecture["vision_cfg"].get("image_size", 224), architecture.get("preprocess_cfg", {})
    transform: Transform = open_clip.image_transform(
        size, is_train=True, mean=settings.get("mean"), std=settings.get("std")
    )
    return transform


class _Crops(Dataset[Tensor]):
    """Transformed images, each under its own seed."""

    def __init__(self, images: ShardImages, transform: Transform) -> None:
        self.images = images
        self.transform = transform

    def __getitem__(self, item: Item) -> Tensor:
        row, seed = item
        # No devices: a worker that asked CUDA for its random state would fail, since it is a fork.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.transform(self.images[row].open())


def crop_loader(
    images: ShardImages, transform: Transform, batches: Iterable[list[Item]], workers: int
) -> Iterator[Tensor]:
    """Batches (n, 3, size, size) of transformed images, decoded ahead in `workers` processes.

    Raises:
        ClipnError: an image cannot be decoded.
    """
    crops = _Crops(images, transform)
    try:
        yield from DataLoader(crops, batch_sampler=batches, num_workers=workers, worker_init_fn=_leave_signals)
    except ClipnError as error:  # a worker's error comes with its traceback in the message
        raise ClipnError(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from None


def _leave_signals(worker: int) -> None:
    """Let signals that stop a job reach the parent only, which ends its workers.

    Ctrl-C goes to the whole process group, and a cluster sends SIGTERM to every process of a job.
    """
    os.setsid()
    # The first one only, so that a worker that hangs can be ended all the same.
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
