"""One image as it is stored, decoded when asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Self

import numpy as np
import PIL.Image

from clipn.data.readers.rgb import PixelError, require_size, to_rgb
from clipn.data.readers.shrink import shrunk
from clipn.data.registry import Shrink
from clipn.errors import ClipnError

UNDECODABLE = (OSError, SyntaxError, ValueError, NotImplementedError)
"""What Pillow raises for files that are truncated, no images, or of a kind that it does not read."""
LABEL_DIGITS = 9
"""Most digits of a class number: it must fit into the int32 of a manifest."""
BOMBS = (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)


class UndecodableError(ClipnError):
    """An image that does not decode.

    Attributes:
        reason: why, without the image's name and what to do.
    """

    reason: str = ""

    @classmethod
    def of(cls, path: str, reason: str, remedy: str) -> Self:
        """The error of an image; made of a text alone, as torch makes it again that a loading process raised."""
        error = cls(f"{path}: {reason}; {remedy}")
        error.reason = reason
        return error


@dataclass(frozen=True)
class Image:
    """One image of a dataset as its archive stores it.

    Attributes:
        path: name relative to the image root: file name, `class/name`, `shard/key.ext`, a listed path, or five digits
            for CIFAR.
        label: index of the class, -1 when there is none.
        content: the encoded file, or raw uint8 pixels in the order (channel, row, column).
        raw_size: (width, height) of raw pixels, None for an encoded file.
        shrink: how to shrink what was decoded; None: not at all.
    """

    path: str
    label: int
    content: bytes
    raw_size: tuple[int, int] | None = None
    shrink: Shrink | None = None

    def open(self) -> PIL.Image.Image:
        """Decode to RGB, as `clipn.data.readers.rgb.to_rgb` does, and shrink.

        Raises:
            UndecodableError: the file is truncated or not an image, or cannot become RGB.
        """
        picture = self._decoded()
        return picture if self.shrink is None else shrunk(picture, self.shrink)

    def measure(self) -> tuple[int, int]:
        """Width and height in pixels, before it shrinks, of an image that decodes; raises exactly where `open` does.

        JPEG is decoded at an eighth of its size, for which all of the file's bits are read, too.
        """
        if self.raw_size is not None:
            return self.raw_size
        with self._opened() as picture:
            size = picture.size  # taken first: draft() changes it
            require_size(*size)
            picture.draft(None, (1, 1))
            to_rgb(picture)
            return size

    def _decoded(self) -> PIL.Image.Image:
        if self.raw_size is not None:
            width, height = self.raw_size
            pixels = np.frombuffer(self.content, np.uint8).reshape(3, height, width)
            return PIL.Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        with self._opened() as picture:
            return to_rgb(picture)

    @contextmanager
    def _opened(self) -> Iterator[PIL.Image.Image]:
        remedy = "exclude it with `select`"
        naming = undecodable(self.path, f"fetch its archive again, or {remedy}", f"{remedy}, or convert it")
        with naming, PIL.Image.open(BytesIO(self.content)) as picture:
            yield picture


@contextmanager
def undecodable(path: str, damaged: str, unusable: str) -> Iterator[None]:
    """Turn what Pillow and `to_rgb` raise for an image into an UndecodableError.

    Args:
        path: of the image, or what else names it.
        damaged: what to do about one that is broken.
        unusable: what to do about one that is sound.
    """
    try:
        yield
    except BOMBS as error:
        raise UndecodableError.of(path, f"has more than {PIL.Image.MAX_IMAGE_PIXELS:,} pixels", unusable) from error
    except PixelError as error:
        raise UndecodableError.of(path, str(error), unusable) from error
    except UNDECODABLE as error:
        raise UndecodableError.of(path, "truncated or not an image", damaged) from error
