"""What training feeds on: image features, "yes" features and tokens, from a cache or computed anew.

Every source yields one process's part of each step, from a given step on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import open_clip
import torch
from torch import Tensor

from clipn.data.shards import ShardImages
from clipn.features.crops import Transform, crop_loader
from clipn.model.clipn import encode_image, encode_text
from clipn.text.prompts import no_prompt_pool, prompt_pool
from clipn.text.tokenizer import padded, tokenize
from clipn.training.distributed import Processes
from clipn.training.sampler import CROP, TEMPLATE, VIEW, Order

CROP_SEEDS = 1 << 62


@dataclass(frozen=True)
class Share:
    """This process's part of the steps from `start` on, the device it computes on, and the samples of one pass."""

    order: Order
    processes: Processes
    start: int
    device: str
    micro_batch: int | None = None

    @property
    def steps(self) -> range:
        """Steps still to take."""
        return range(self.start, self.order.steps)

    def rows(self, step: int) -> Tensor:
        """Its samples (m,) of `step`."""
        return self.processes.part(self.order.rows(step))

    def draw(self, step: int, stream: int, high: int) -> Tensor:
        """Its random numbers (m,) of `step`, in 0..high-1."""
        return self.processes.part(self.order.draw(step, stream, high))

    @torch.no_grad()
    def encode(self, tower: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        """Features (m, d) of a `batch` (m, ...) by a frozen tower, pass by pass."""
        return torch.cat([tower(part.to(self.device)) for part in batch.split(self.micro_batch or len(batch))])


class Texts(NamedTuple):
    """Unit-norm "yes" features (m, d), and tokens (m, length) for the "no" tower."""

    yes: Tensor
    tokens: Tensor


def stored_images(features: Tensor, share: Share) -> Iterator[Tensor]:
    """Features (m, d) out of stored ones (views, samples, d), of a view drawn for each sample."""
    for step in share.steps:
        yield features[share.draw(step, VIEW, len(features)), share.rows(step)]


def online_images(
    clip: open_clip.CLIP, images: ShardImages, transform: Transform, workers: int, share: Share
) -> Iterator[Tensor]:
    """Features (m, d) of crops drawn anew for each sample and epoch."""
    items = (
        list(zip(share.rows(step).tolist(), share.draw(step, CROP, CROP_SEEDS).tolist(), strict=True))
        for step in share.steps
    )
    for batch in crop_loader(images, transform, items, workers):
        yield share.encode(partial(encode_image, clip), batch)


def stored_texts(texts: Texts, share: Share) -> Iterator[Texts]:
    """Stored features (samples, d) and tokens (samples, length) of the captions as they are."""
    for step in share.steps:
        rows = share.rows(step)
        yield Texts(texts.yes[rows], texts.tokens[rows])


def handcrafted_texts(clip: open_clip.CLIP, captions: Sequence[str], pool: str, share: Share) -> Iterator[Texts]:
    """Captions in a pair of templates drawn for each sample, one for each tower (released hand-crafted code)."""
    yes_templates, no_templates = prompt_pool(pool), no_prompt_pool(pool)
    for step in share.steps:
        drawn = share.draw(step, TEMPLATE, len(yes_templates)).tolist()
        chosen = list(zip(share.rows(step).tolist(), drawn, strict=True))
        said, denied = (
            tokenize([templates[template].format(captions[row]) for row, template in chosen])
            for templates in (yes_templates, no_templates)
        )
        yes = share.encode(partial(encode_text, clip), torch.from_numpy(padded(said, clip.context_length)))
        yield Texts(yes, torch.from_numpy(padded(denied, clip.context_length)))
