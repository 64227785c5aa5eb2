"""What training reads at each step: image features, "yes" features and tokens, from a cache or encoded on the way.

Every source yields one process's part of each batch, from a given step on.
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
from clipn.training.distributed import ProcessGroup
from clipn.training.sampler import CROP, TEMPLATE, VIEW, Sampler

CROP_SEEDS = 1 << 62
"""Seeds of crops are drawn below this, so that hardly any two are equal."""


@dataclass(frozen=True)
class LocalBatches:
    """This process's part of the batches from step `start` on.

    Attributes:
        sampler: which samples each batch takes.
        group: the processes that share each batch.
        start: first step.
        device: where this process encodes.
        micro_batch: samples that it encodes at once; None: all of its part.
    """

    sampler: Sampler
    group: ProcessGroup
    start: int
    device: str
    micro_batch: int | None = None

    @property
    def steps(self) -> range:
        """Steps still to take."""
        return range(self.start, self.sampler.steps)

    def rows(self, step: int) -> Tensor:
        """Its samples (m,) of `step`."""
        return self.group.part(self.sampler.rows(step))

    def draw(self, step: int, stream: int, high: int) -> Tensor:
        """Its random numbers (m,) of `step`, in 0..high-1."""
        # All processes draw the same numbers for the whole batch; with draws of their own, results would depend on
        # how many there are.
        return self.group.part(self.sampler.draw(step, stream, high))

    @torch.no_grad()
    def encode(self, tower: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        """Features (m, d) of a `batch` (m, ...) by a frozen tower, `micro_batch` samples at a time."""
        return torch.cat([tower(part.to(self.device)) for part in batch.split(self.micro_batch or len(batch))])


class Texts(NamedTuple):
    """Unit-norm "yes" features (m, d), and tokens (m, length) for the "no" tower."""

    yes: Tensor
    tokens: Tensor


def stored_images(features: Tensor, batches: LocalBatches) -> Iterator[Tensor]:
    """Features (m, d) out of stored ones (views, samples, d), of a view drawn for each sample."""
    for step in batches.steps:
        yield features[batches.draw(step, VIEW, len(features)), batches.rows(step)]


def online_images(
    clip: open_clip.CLIP, images: ShardImages, transform: Transform, workers: int, batches: LocalBatches
) -> Iterator[Tensor]:
    """Features (m, d) of crops that are drawn for each sample and epoch."""
    # A generator, since rows and seeds of all steps of a long training would fill the memory.
    items = (
        list(zip(batches.rows(step).tolist(), batches.draw(step, CROP, CROP_SEEDS).tolist(), strict=True))
        for step in batches.steps
    )
    for batch in crop_loader(images, transform, items, workers):
        yield batches.encode(partial(encode_image, clip), batch)


def stored_texts(texts: Texts, batches: LocalBatches) -> Iterator[Texts]:
    """Stored features (samples, d) and tokens (samples, length) of the captions as they are."""
    for step in batches.steps:
        rows = batches.rows(step)
        yield Texts(texts.yes[rows], texts.tokens[rows].long())


def handcrafted_texts(
    clip: open_clip.CLIP, captions: Sequence[str], pool: str, batches: LocalBatches
) -> Iterator[Texts]:
    """Captions in a pair of templates drawn for each sample, one for each tower (released hand-crafted code)."""
    yes_templates, no_templates = prompt_pool(pool), no_prompt_pool(pool)
    for step in batches.steps:
        drawn = batches.draw(step, TEMPLATE, len(yes_templates)).tolist()
        chosen = list(zip(batches.rows(step).tolist(), drawn, strict=True))
        # One number picks from both pools: line by line, the second denies what the first says.
        yes_texts, no_texts = (
            tokenize([templates[template].format(captions[row]) for row, template in chosen])
            for templates in (yes_templates, no_templates)
        )
        yes = batches.encode(partial(encode_text, clip), torch.from_numpy(padded(yes_texts, clip.context_length)))
        yield Texts(yes, torch.from_numpy(padded(no_texts, clip.context_length)))
