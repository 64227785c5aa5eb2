"""CLIP with a second text tower that says "no"."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize, pad

from clipn.errors import ClipnError
from clipn.model.source import ModelSource

ENCODE_BATCH = 1024
GROUPS, SMALLEST_GROUP = 4, 8
"""A batch of texts is encoded in this many groups of like length, none smaller than this."""


class NoTextTower(nn.Module):
    """A copy of CLIP's text tower, with a bank of learnable prompts that are added at every position or the first few.

    Args:
        clip: where the initial weights come from.
        prompts: size of the bank; its arrays start at zero, as in the released code. 0: no bank, since
            hand-crafted texts say "no" themselves.
        tokens: positions, from the first, that a prompt is added at; None: all, as in the released code.

    Raises:
        ClipnError: `tokens` is more than the context.
    """

    def __init__(self, clip: open_clip.CLIP, prompts: int, tokens: int | None = None) -> None:
        super().__init__()
        context, width = clip.positional_embedding.shape
        if tokens is not None and tokens > context:
            limit = f"{tokens} is more than the {context} positions that the backbone reads"
            raise ClipnError(f"tokens: {limit}; give at most {context} or leave it out")
        self.transformer = deepcopy(clip.transformer)
        self.token_embedding = deepcopy(clip.token_embedding)
        self.positional_embedding = nn.Parameter(clip.positional_embedding.detach().clone())
        self.ln_final = deepcopy(clip.ln_final)
        self.text_projection = nn.Parameter(clip.text_projection.detach().clone())
        # Follows from the context, so checkpoints need not hold it.
        self.register_buffer("attn_mask", clip.attn_mask, persistent=False)
        bank = torch.zeros(prompts, tokens or context, width)
        self.prompts = nn.Parameter(bank) if prompts else None

    def forward(self, tokens: Tensor, choice: Tensor | None = None) -> Tensor:
        """Unit-norm float32 features (n, d) of `tokens` (n, context).

        Args:
            tokens: as by the tokenizer.
            choice: (n,) prompt of every text, 0..prompts, where `prompts` is the mean of the bank; without it the
                mean, as in evaluation.
        """
        if self.prompts is None:
            return encode_text(self, tokens)
        bank = torch.cat([self.prompts, self.prompts.mean(dim=0, keepdim=True)])
        # Zeros where the bank ends, so that all positions are treated alike.
        bank = pad(bank, (0, 0, 0, len(self.positional_embedding) - bank.shape[1]))
        if choice is None:
            choice = torch.full((len(tokens),), len(self.prompts), device=tokens.device)
        return encode_text(self, tokens, bank, choice)


def encode_text(tower: Any, tokens: Tensor, bank: Tensor | None = None, choice: Tensor | None = None) -> Tensor:
    """Unit-norm float32 features (n, d) of `tokens` (n, context), computing little more than the texts themselves.

    The causal mask keeps a position blind to what follows, and the feature is read at the end token, so cutting
    the padding changes nothing. Texts of like length are encoded together, each group up to its longest.

    Args:
        tower: CLIP or a `NoTextTower`.
        tokens: as by the tokenizer; the end token has the highest id.
        bank: (prompts, context, width), one of them added to every text.
        choice: (n,) which one.
    """
    ends = tokens.argmax(dim=-1)
    order = ends.argsort(stable=True)
    parts = []
    for rows in order.split(max(SMALLEST_GROUP, -(-len(tokens) // GROUPS))):
        length = int(ends[rows[-1]]) + 1
        added = tower.positional_embedding[:length]
        if bank is not None and choice is not None:
            added = added + embedding(choice[rows], bank[:, :length].flatten(1)).unflatten(1, (length, -1))
        parts.append(_encode(tower, tokens[rows, :length], added, ends[rows]))
    return normalize(torch.cat(parts)[order.argsort()], dim=-1)


def _encode(tower: Any, tokens: Tensor, added: Tensor, ends: Tensor) -> Tensor:
    """Features (n, d) of tokens (n, length), read at `ends` (n,); `added` is what comes to the token embeddings."""
    length = tokens.shape[1]
    x = tower.token_embedding(tokens) + added
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    # Only the end token is read, so only it is normalised and projected.
    x = tower.ln_final(x[torch.arange(len(tokens), device=tokens.device), ends])
    # Under autocast the product has half precision, in which norms would be too coarse.
    features: Tensor = (x @ tower.text_projection).float()
    return features


@cache  # to make one takes a quarter of a second, and models with the same context can share it
def clip_tokenizer(context_length: int) -> open_clip.SimpleTokenizer:
    """Texts -> (n, context) int64 tokens."""
    return open_clip.SimpleTokenizer(context_length=context_length)


class CLIP(nn.Module):
    """The towers of CLIP, frozen: plain CLIP, which has no "no".

    Attributes:
        clip: the open_clip model; never trained.
        tokenizer: texts -> (n, context) int64 tokens.
        preprocess: PIL image -> (3, h, w) float32 tensor.
        source: where it was opened from; None for one that is in no file.
    """

    tokenizer: Callable[[list[str]], Tensor]
    preprocess: Callable[[Image.Image], Tensor]
    source: ModelSource | None = None

    def __init__(self, clip: open_clip.CLIP, preprocess: Callable[[Image.Image], Tensor]) -> None:
        super().__init__()
        require_clip_text_tower(clip)
        self.clip = clip.requires_grad_(False)
        self.tokenizer = clip_tokenizer(clip.context_length)
        self.preprocess = preprocess

    @property
    def logit_scale(self) -> float:
        """What multiplies cosines."""
        return float(self.clip.logit_scale.detach().exp())

    @property
    def device(self) -> str:
        """Where it is."""
        # A module of torch does not say; this parameter is one that every CLIP has.
        return str(self.clip.positional_embedding.device)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that it takes."""
        size = self.clip.visual.image_size
        return (size, size) if isinstance(size, int) else tuple(size)

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit-norm float32 features (n, d) of preprocessed images (n, 3, h, w)."""
        return encode_image(self.clip, images)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Unit-norm float32 features (n, d) of tokens (n, context), by the frozen "yes" tower."""
        return encode_text(self.clip, tokens)


class CLIPN(CLIP):
    """Frozen CLIP towers and the trainable "no" text tower.

    Attributes:
        no: the "no" text tower.
    """

    def __init__(
        self,
        clip: open_clip.CLIP,
        preprocess: Callable[[Image.Image], Tensor],
        prompts: int = 16,
        tokens: int | None = None,
    ) -> None:
        super().__init__(clip, preprocess)
        self.no = NoTextTower(clip, prompts, tokens).requires_grad_(True)

    @property
    def learns_prompts(self) -> bool:
        """Whether "no" is said by learned prompts; if not, by the texts themselves."""
        return self.no.prompts is not None

    def encode_no_text(self, tokens: Tensor) -> Tensor:
        """Unit-norm float32 features (n, d) of tokens (n, context), by the "no" tower, with the mean prompt if any."""
        no: Tensor = self.no(tokens)
        return no


def encode_image(clip: open_clip.CLIP, images: Tensor) -> Tensor:
    """Unit-norm float32 features (n, d) of preprocessed images (n, 3, h, w)."""
    return normalize(clip.encode_image(images).float(), dim=-1)


def require_clip_text_tower(clip: nn.Module) -> None:
    """Refuse models whose text tower is not CLIP's causal transformer.

    Raises:
        ClipnError: the architecture has another text tower.
    """
    # Texts are cut after their end token, which changes nothing only if no position sees what follows it.
    causal = isinstance(clip, open_clip.CLIP) and clip.attn_mask is not None and clip.text_pool_type == "argmax"
    if not causal or not isinstance(clip.text_projection, nn.Parameter):
        raise ClipnError("architecture: needs CLIP's causal text transformer; choose ViT-B-32, ViT-B-16, RN50, ...")


@torch.inference_mode()
def encode_in_batches(encode: Callable[[Tensor], Tensor], tokens: Tensor, device: str) -> Tensor:
    """Features (n, d), on the CPU, of any number of tokens (n, context).

    Texts are encoded shortest first, so that each batch is cut to nearly its own length.
    """
    order = tokens.argmax(dim=-1).argsort(stable=True)
    parts = [encode(tokens[rows].to(device)).cpu() for rows in order.split(ENCODE_BATCH)]
    return torch.cat(parts)[order.argsort()]


@torch.inference_mode()
def class_weights(
    encode: Callable[[Tensor], Tensor],
    tokenizer: Callable[[list[str]], Tensor],
    names: Sequence[str],
    templates: Sequence[str],
    device: str = "cpu",
) -> Tensor:
    """Prompt-ensemble classifier (classes, d): unit-norm mean of the unit-norm features of every template."""
    tokens = torch.cat([tokenizer([template.format(name) for template in templates]) for name in names])
    features = encode_in_batches(encode, tokens, device).to(device)
    # The sum instead of the mean: normalising removes the factor.
    return normalize(features.view(len(names), len(templates), -1).sum(dim=1), dim=-1)
