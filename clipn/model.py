"""CLIP with a second text tower that says "no"."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from clipn.errors import ClipnError

ENCODE_BATCH = 1024


class NoTextTower(nn.Module):
    """A copy of CLIP's text tower with a bank of learnable prompts, added at every position.

    Args:
        clip: where the initial weights come from.
        prompts: size of the bank; the arrays start at zero, as in the released code.
    """

    def __init__(self, clip: open_clip.CLIP, prompts: int) -> None:
        super().__init__()
        self.transformer = deepcopy(clip.transformer)
        self.token_embedding = deepcopy(clip.token_embedding)
        self.positional_embedding = nn.Parameter(clip.positional_embedding.detach().clone())
        self.ln_final = deepcopy(clip.ln_final)
        self.text_projection = nn.Parameter(clip.text_projection.detach().clone())
        self.register_buffer("attn_mask", clip.attn_mask, persistent=False)
        self.prompts = nn.Parameter(torch.zeros(prompts, *clip.positional_embedding.shape))

    def prompt(self, choice: Tensor | None = None) -> Tensor:
        """Prompt arrays (n, context, width) for `choice` (n,) in 0..prompts, where `prompts` is the mean.

        Without `choice`: the mean, (context, width), as used in evaluation.
        """
        mean = self.prompts.mean(dim=0)
        if choice is None:
            return mean
        return torch.cat([self.prompts, mean[None]])[choice]

    def forward(self, tokens: Tensor, choice: Tensor | None = None) -> Tensor:
        """Unit-norm float32 features (n, d) of `tokens` (n, context)."""
        return encode_text(self, tokens, self.prompt(choice))


def encode_text(tower: Any, tokens: Tensor, prompt: Tensor | None = None) -> Tensor:
    """Encode texts, computing no further than the longest of them.

    The causal mask keeps a position blind to what follows, and the feature is read at the end token, so
    cutting the padding changes nothing.
    """
    length = int(tokens.argmax(dim=-1).max()) + 1
    tokens = tokens[:, :length]
    x = tower.token_embedding(tokens) + tower.positional_embedding[:length]
    if prompt is not None:
        x = x + prompt[..., :length, :]
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    x = tower.ln_final(x)[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=-1)]
    return normalize((x @ tower.text_projection).float(), dim=-1)


class CLIPN(nn.Module):
    """Frozen CLIP towers and the trainable "no" text tower.

    Attributes:
        clip: the open_clip model; never trained.
        no: the "no" text tower.
        tokenizer: texts -> (n, context) int64 tokens.
        preprocess: PIL image -> (3, h, w) float32 tensor.
    """

    tokenizer: Callable[[list[str]], Tensor]
    preprocess: Callable[[Image.Image], Tensor]

    def __init__(self, clip: open_clip.CLIP, preprocess: Callable[[Image.Image], Tensor], prompts: int = 16) -> None:
        super().__init__()
        require_clip_text_tower(clip)
        self.clip = clip.requires_grad_(False)
        self.no = NoTextTower(clip, prompts).requires_grad_(True)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=clip.context_length)
        self.preprocess = preprocess

    @property
    def logit_scale(self) -> float:
        """What multiplies cosines."""
        return float(self.clip.logit_scale.detach().exp())

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit-norm float32 features (n, d) of preprocessed images (n, 3, h, w)."""
        return normalize(self.clip.encode_image(images).float(), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Unit-norm float32 features (n, d) of tokens (n, context), by the frozen "yes" tower."""
        return encode_text(self.clip, tokens)

    def encode_no_text(self, tokens: Tensor) -> Tensor:
        """Unit-norm float32 features (n, d) of tokens (n, context), by the "no" tower with the mean prompt."""
        no: Tensor = self.no(tokens)
        return no


def require_clip_text_tower(clip: nn.Module) -> None:
    """Refuse models whose text tower is not CLIP's causal transformer.

    Raises:
        ClipnError: the architecture has another text tower.
    """
    causal = isinstance(clip, open_clip.CLIP) and clip.attn_mask is not None and clip.text_pool_type == "argmax"
    if not causal or not isinstance(clip.text_projection, nn.Parameter):
        raise ClipnError("architecture: needs CLIP's causal text transformer; choose ViT-B-32, ViT-B-16, RN50, ...")


@torch.inference_mode()
def class_weights(
    encode: Callable[[Tensor], Tensor],
    tokenizer: Callable[[list[str]], Tensor],
    names: list[str],
    templates: list[str],
    device: str = "cpu",
) -> Tensor:
    """Prompt-ensemble classifier (classes, d): unit-norm mean of the unit-norm features of every template."""
    texts = [template.format(name) for name in names for template in templates]
    features = torch.cat(
        [
            encode(tokenizer(texts[start : start + ENCODE_BATCH]).to(device))
            for start in range(0, len(texts), ENCODE_BATCH)
        ]
    )
    return normalize(features.view(len(names), len(templates), -1).sum(dim=1), dim=-1)
