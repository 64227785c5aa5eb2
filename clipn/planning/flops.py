"""What the towers of an architecture cost, counted on a model without weights."""

from collections.abc import Callable
from dataclasses import dataclass

import open_clip
import torch
from torch.utils.flop_counter import FlopCounterMode

from clipn.model.backbone import architecture, build
from clipn.model.clipn import NoTextTower, require_clip_text_tower

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Towers:
    """Cost of one backbone; a multiply-add counts as two floating-point operations.

    Attributes:
        image: operations of the forward pass of one image.
        text: the same of one text.
        dimension: of the features.
        context: longest text, in tokens.
        width: of the text tower.
        parameters: of the backbone.
        no_parameters: of a "no" tower without its bank of prompts.
    """

    image: int
    text: int
    dimension: int
    context: int
    width: int
    parameters: int
    no_parameters: int

    @property
    def backbone_bytes(self) -> int:
        """Size of the backbone's file."""
        return FLOAT * self.parameters

    def checkpoint_bytes(self, prompts: int, tokens: int | None = None) -> int:
        """Size of the checkpoint of a run with a bank of `prompts`, each for `tokens` positions; None: for all."""
        return FLOAT * (self.parameters + self.no_parameters + prompts * (tokens or self.context) * self.width)


def measure(name: str, tokens: int) -> Towers:
    """The cost of an architecture.

    Args:
        name: open_clip name or JSON file.
        tokens: length of a text, cut to what the architecture reads.

    Raises:
        ClipnError: unknown architecture, or one whose text tower is not CLIP's.
    """
    with torch.device("meta"):
        clip = build(architecture(name))
    require_clip_text_tower(clip)
    context, width = clip.positional_embedding.shape
    return Towers(
        image=_operations(lambda: _encode_image(clip)),
        text=_operations(lambda: _encode_text(clip, min(tokens, context))),
        dimension=clip.text_projection.shape[1],
        context=context,
        width=width,
        parameters=_size(clip),
        no_parameters=_size(NoTextTower(clip, prompts=0)),
    )


def _encode_image(clip: open_clip.CLIP) -> None:
    size = clip.visual.image_size
    clip.encode_image(torch.empty(1, 3, *(size if isinstance(size, tuple) else (size, size)), device="meta"))


def _encode_text(clip: open_clip.CLIP, length: int) -> None:
    """As `clipn.model.clipn.encode_text`, without the tokens that a model without weights cannot look at."""
    states = torch.empty(1, length, clip.positional_embedding.shape[1], device="meta")
    states = clip.transformer(states, attn_mask=clip.attn_mask[:length, :length])
    _ = states[:, 0] @ clip.text_projection


@torch.no_grad()
def _operations(forward: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())


def _size(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
