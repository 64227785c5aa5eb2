"""Pictures made as small and as worn as those of another dataset, so that neither gives them away."""

from io import BytesIO

import PIL.Image
import PIL.ImageOps

from clipn.data.registry import Shrink


def shrunk(picture: PIL.Image.Image, shrink: Shrink) -> PIL.Image.Image:
    """The picture that `shrunk_jpeg` stores."""
    return PIL.Image.open(BytesIO(shrunk_jpeg(picture, shrink))).convert("RGB")


def shrunk_jpeg(picture: PIL.Image.Image, shrink: Shrink) -> bytes:
    """The middle square of an RGB picture, bicubically brought to `size` pixels, as JPEG.

    A picture that is smaller grows.
    """
    square = PIL.ImageOps.fit(picture, (shrink.size, shrink.size), PIL.Image.Resampling.BICUBIC)
    stored = BytesIO()
    square.save(stored, "JPEG", quality=shrink.quality)
    return stored.getvalue()
