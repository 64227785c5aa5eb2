"""How any picture becomes 8-bit RGB: the one place that says what its numbers mean, and how large it may be."""

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

LONGEST_RATIO = 500
"""Of the sides. CLIP brings the shorter one to 224 or more pixels, and the longer one grows with it."""
_WHITE_IS_ZERO = 0
"""A value of TIFF's `PhotometricInterpretation`."""


class PixelError(Exception):
    """A picture that cannot become RGB; the text says why."""


def require_size(width: int, height: int) -> None:
    """Refuse a picture that would take all memory.

    Raises:
        PixelError: it has no pixel, more than `PIL.Image.MAX_IMAGE_PIXELS`, or sides that differ too much.
    """
    limit = PIL.Image.MAX_IMAGE_PIXELS
    # Pillow itself only warns up to twice its limit.
    if limit is not None and width * height > limit:
        raise PixelError(f"has more than {limit:,} pixels")
    if min(width, height) < 1:
        raise PixelError(f"has no pixel ({width:,} x {height:,})")
    if max(width, height) > LONGEST_RATIO * min(width, height):
        raise PixelError(f"has {width:,} x {height:,} pixels, one side more than {LONGEST_RATIO} times the other")


def to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture as 8-bit RGB: its first frame, not turned by EXIF, as CLIP's own transform takes it.

    Of 16 bits per channel the upper 8 count. Greyscale floats run from 0, black, to 1, white. What is transparent
    shows white behind it, as in img2dataset and browsers. CMYK, YCbCr, HSV and palettes become what Pillow makes them.

    Raises:
        PixelError: as `require_size`, or the picture does not say which of its values is white.
    """
    require_size(*picture.size)
    picture.load()  # some formats know only then what is transparent
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = PIL.Image.fromarray(_grey_levels(picture))
    if picture.mode == "LAB":
        raise PixelError("has colours in CIELAB, which are not read")
    # A picture that was made RGB in memory may still name a transparent colour, which then is an ordinary one.
    is_plain = picture.mode in ("RGB", "L") and picture.format is None
    if is_plain or not picture.has_transparency_data:
        return picture.convert("RGB")
    # Pillow brings premultiplied grey to nothing but LA.
    colours = picture.convert("LA" if picture.mode == "La" else "RGBA").convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), colours).convert("RGB")


def _grey_levels(picture: PIL.Image.Image) -> NDArray[np.uint8]:
    """Greyscale of more than 8 bits, as 8 bits (h, w)."""
    values, tags = np.asarray(picture), getattr(picture, "tag_v2", {})
    if picture.mode == "F":
        # Also False for NaN.
        if not (values.min() >= 0 and values.max() <= 1):
            raise PixelError("holds floats that are not from 0, black, to 1, white")
        levels = np.rint(values * 255).astype(np.uint8)
    # Pillow gives the 16 bits of PNG and PGM as 32, too; those of other formats may run to anything.
    elif picture.mode == "I" and picture.format not in ("PNG", "PPM"):
        raise PixelError("holds signed or 32-bit integers, which do not say what is white")
    else:
        levels = (values >> (tags.get(BITSPERSAMPLE, (16,))[0] - 8)).astype(np.uint8)
    if tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        levels = np.uint8(255) - levels
    # PNG may call one of the values transparent.
    return np.where(values == picture.info.get("transparency"), np.uint8(255), levels)
