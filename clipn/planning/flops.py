"""What the towers of an architecture cost, counted on a model without weights."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from clipn.model.backbone import architecture, build
from clipn.model.clipn import NoTextTower, require_clip_text_tower

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class TowerCosts:
    """Cost of one backbone; a multiply-add counts as two floating-point operations.

    Attributes:
        image: operations of the forward pass of one image.
        text: the same of one text.
        dimension: of the features.
        context: longest text, in tokens.
        width: of the text tower.
        parameters: of the backbone.
        no_parameters: of a "no" tower without its bank of prompts.
        tower_width: of what an image tower of timm says before its projection; 0 of another one.
    """

    image: int
    text: int
    dimension: int
    context: int
    width: int
    parameters: int
    no_parameters: int
    tower_width: int = 0

    @property
    def backbone_bytes(self) -> int:
        """Size of the backbone's file."""
        return FLOAT * self.parameters

    def checkpoint_bytes(self, prompts: int, tokens: int | None = None) -> int:
        """Size of the checkpoint of a run with a bank of `prompts`, each for `tokens` positions; None: for all."""
        return FLOAT * (self.parameters + self.no_parameters + prompts * (tokens or self.context) * self.width)


@torch.no_grad()
def measure(name: str, tokens: int) -> TowerCosts:
    """The cost of an architecture.

    Args:
        name: open_clip name or JSON file.
        tokens: length of a text, cut to what the architecture reads.

    Raises:
        ClipnError: unknown architecture, or one whose text tower is not CLIP's.
    """
    # Tensors on "meta" have shapes and no memory, so that the largest model is counted in a moment.
    with torch.device("meta"):
        clip = build(architecture(name))
    require_clip_text_tower(clip)
    size = clip.visual.image_size
    images = torch.empty(1, 3, *(size if isinstance(size, tuple) else (size, size)), device="meta")
    with FlopCounterMode(display=False) as image_counter:
        clip.encode_image(images)
    context, width = clip.positional_embedding.shape
    length = min(tokens, context)
    states = torch.empty(1, length, width, device="meta")
    # `clipn.model.clipn.encode_text` from the embeddings on: it looks for the end of a text among tokens' values, and
    # there are none on "meta".
    with FlopCounterMode(display=False) as text_counter:
        states = clip.transformer(states, attn_mask=clip.attn_mask[:length, :length])
        _ = states[:, 0] @ clip.text_projection
    return TowerCosts(
        image=int(image_counter.get_total_flops()),
        text=int(text_counter.get_total_flops()),
        dimension=clip.text_projection.shape[1],
        context=context,
        width=width,
        parameters=_parameters(clip),
        no_parameters=_parameters(NoTextTower(clip, prompts=0)),
        tower_width=getattr(getattr(clip.visual, "trunk", None), "num_features", 0),
    )


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
