"""Pictures made as small and as worn as those of another dataset, so that neither gives them away."""

from io import BytesIO

import PIL.Image
import PIL.ImageOps

from clipn.data.registry import Shrink


def shrunk(picture: PIL.Image.Image, shrink: Shrink) -> PIL.Image.Image:
    """The middle square of an RGB picture, bicubically brought to `size` pixels, through JPEG once.

    A picture that is smaller grows.
    """
    square = PIL.ImageOps.fit(picture, (shrink.size, shrink.size), PIL.Image.Resampling.BICUBIC)
    stored = BytesIO()
    square.save(stored, "JPEG", quality=shrink.quality)
    return PIL.Image.open(stored).convert("RGB")
