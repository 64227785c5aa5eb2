"""What kind of image tower an open_clip architecture has, told without torch."""

from collections.abc import Mapping
from typing import Any

from clipn.errors import ClipnError


def require_patches(vision: Mapping[str, Any], source: str) -> None:
    """Refuse image towers whose patches are not read: all but CLIP's Vision Transformer.

    Args:
        vision: `vision_cfg` of an open_clip architecture.
        source: the architecture, or where it stands; the message begins with it.

    Raises:
        ClipnError: the tower is one of timm or a ResNet, or it pools by attention.
    """
    kinds = {
        "is one of timm": vision.get("timm_model_name"),
        "is a ResNet": isinstance(vision.get("layers"), list),
        "pools by attention": vision.get("attentional_pool"),
    }
    for kind, is_so in kinds.items():
        if is_so:
            raise ClipnError(
                f"{source}: its image tower {kind}, but patches are read of CLIP's Vision Transformer alone; leave out "
                "the methods gl_mcm and l_mcm, or choose ViT-B-32, ViT-B-16, ..."
            )
