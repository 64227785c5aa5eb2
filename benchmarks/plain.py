"""Training as written down: all towers at every step, all positions of every text, no cache. What is measured against.

Independent of `clipn`'s own mathematics, so that tests compare with it too.
"""

from collections.abc import Iterator

import open_clip
import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipn.model.clipn import NoTextTower


def yes_features(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Unit-norm features (n, d) of tokens (n, context), by open_clip itself."""
    return normalize(clip.encode_text(tokens), dim=-1)


def no_features(tower: NoTextTower, tokens: Tensor, choice: Tensor | None = None) -> Tensor:
    """Unit-norm features (n, d) of tokens (n, context); choice (n,) in 0..prompts, where `prompts` is the mean."""
    rows = []
    for n, text in enumerate(tokens):
        x = tower.token_embedding(text) + tower.positional_embedding
        if tower.prompts is not None:
            drawn = len(tower.prompts) if choice is None else int(choice[n])
            x = x + (tower.prompts[drawn] if drawn < len(tower.prompts) else tower.prompts.mean(dim=0))
        rows.append(x)
    x = tower.transformer(torch.stack(rows), attn_mask=tower.attn_mask)
    ends = [int(text.argmax()) for text in tokens]
    x = torch.stack([tower.ln_final(x[n, end]) for n, end in enumerate(ends)])
    return normalize(x @ tower.text_projection, dim=-1)


def losses(image: Tensor, yes: Tensor, no: Tensor, scale: float, weight: float = 0.5, eps: float = 1e-4) -> Tensor:
    """Matched, unmatched, TSO and weighted total, (4,), straight from the equations; overflows where they do."""
    n = len(image)
    says_yes, says_no = torch.exp(scale * image @ yes.T), torch.exp(scale * image @ no.T)
    p_no = says_no / (says_yes + says_no)
    same = torch.eye(n, dtype=torch.bool, device=image.device)
    matched = -torch.log(1 - p_no[same]).mean()
    unmatched = -torch.log(p_no[~same]).sum() / (n * (n - 1))
    opposite = (2 - torch.sqrt(((yes - no) ** 2).sum(dim=1) + eps)).mean()
    return torch.stack([matched, unmatched, opposite, weight * (matched + unmatched + opposite)])


def steps(
    clip: open_clip.CLIP, tower: NoTextTower, batches: Iterator[tuple[Tensor, Tensor, Tensor, float]], decay: float
) -> Iterator[Tensor]:
    """Train `tower`; yields the losses (4,) of every step.

    Args:
        clip: frozen towers.
        tower: trained in place.
        batches: images (n, 3, size, size), tokens (n, context), prompt choice (n,), learning rate.
        decay: AdamW's, on tensors of two or more dimensions.
    """
    groups = [
        {"params": [value for value in tower.parameters() if value.ndim < 2], "weight_decay": 0.0},
        {"params": [value for value in tower.parameters() if value.ndim >= 2], "weight_decay": decay},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6)
    scale = clip.logit_scale.exp().item()
    for images, tokens, choice, rate in batches:
        image = normalize(clip.encode_image(images), dim=-1)
        parts = losses(image, yes_features(clip, tokens), no_features(tower, tokens, choice), scale)
        optimizer.zero_grad()
        parts[3].backward()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        yield parts.detach()
