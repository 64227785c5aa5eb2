"""What CLIP says of single patches of an image: features of the value path (Zhou et al., MaskCLIP, ECCV 2022)."""

import open_clip
from torch import Tensor
from torch.nn.functional import normalize


def patch_features(clip: open_clip.CLIP, images: Tensor) -> Tensor:
    """Unit-norm float32 features (n, patches, d) of the patches of preprocessed images (n, 3, h, w).

    In the last block no patch looks at another, as in GL-MCM (Miyai et al., IJCV 2025): of its input x it computes
    v = x + out_proj(W_v ln_1(x)), then v + mlp(ln_2(v)), with its layer scales where it has any. Ordinary patch tokens
    are other features, and give other scores.

    Args:
        clip: a model that `clipn.model.vision.require_patches` admits, in evaluation mode.
        images: preprocessed.
    """
    tower = clip.visual
    *blocks, last = tower.transformer.resblocks
    tokens = tower._embeds(images)
    for block in blocks:
        tokens = block(tokens)
    # The first token is that of the class.
    patches = tokens[:, 1:]
    # Each is a sequence of its own: a softmax over one token is 1, so that what attention gives is this token's value.
    values = last(patches.flatten(0, 1)[:, None]).view_as(patches)
    return normalize((tower.ln_post(values) @ tower.proj).float(), dim=-1)
