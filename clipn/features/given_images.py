"""Images as people have them, brought to what a model takes."""

from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from clipn.data.image_files import find_images
from clipn.data.readers.image import Image, UndecodableError, undecodable
from clipn.data.readers.rgb import to_rgb
from clipn.errors import ClipnError
from clipn.features.stored import off_unit

FORMS = (
    "paths, one folder, PIL images, NumPy arrays (h, w, 3) as uint8 or as floats from 0 to 1, preprocessed tensors "
    "(3, h, w), one of them or many; or a tensor of image features (n, d)"
)
REMEDY = "repair it, or leave it out"
Preprocess = Callable[[PIL.Image.Image], Tensor]


def given_batches(images: Any, preprocess: Preprocess, batch: int) -> Iterator[Tensor]:
    """Float32 tensors that a model takes, in order: preprocessed images (n, 3, h, w), or features (n, d) as given.

    Args:
        images: one or many of `FORMS`; a pandas column or any other iterable of them, too.
        preprocess: brings a picture to (3, h, w).
        batch: images that are in memory at once.

    Raises:
        ClipnError: something is none of `FORMS`, has another shape, or does not decode.
    """
    if isinstance(images, Tensor):
        yield from _tensors(images).split(batch)
        return
    waiting: list[Tensor] = []
    for number, image in enumerate(_each(images)):
        waiting.append(_prepared(image, preprocess, f"images[{number}]"))
        if len(waiting) == batch:
            yield _stacked(waiting)
            waiting = []
    if waiting:
        yield _stacked(waiting)


def read_picture(path: Path) -> PIL.Image.Image:
    """An image file as RGB.

    Raises:
        UndecodableError: it is missing or unreadable, is truncated or no image, or cannot become RGB.
    """
    try:
        # They may never end.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UndecodableError.of(str(path), "is a pipe or a device", REMEDY)
        return Image(str(path), -1, path.read_bytes()).open()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise UndecodableError.of(str(path), getattr(error, "strerror", None) or str(error), REMEDY) from error
    except UndecodableError as error:
        raise UndecodableError.of(str(path), error.reason, REMEDY) from error


def _each(images: Any) -> Iterable[Any]:
    """The single images of what was given."""
    if isinstance(images, str | PathLike):
        return find_images([str(images)]).images if Path(images).is_dir() else [images]
    if isinstance(images, PIL.Image.Image):
        return [images]
    if isinstance(images, np.ndarray) and images.dtype != object:
        if images.ndim not in (3, 4):
            raise ClipnError(f"images: got an array of shape {images.shape}; give {FORMS}")
        return [images] if images.ndim == 3 else list(images)
    if not isinstance(images, Iterable) or isinstance(images, bytes | dict):
        raise ClipnError(f"images: got {_kind(images)}; give {FORMS}")
    return images


def _prepared(image: Any, preprocess: Preprocess, name: str) -> Tensor:
    """One image as a tensor (3, h, w); `name` for messages."""
    if isinstance(image, str | PathLike):
        return preprocess(read_picture(Path(image)))
    if isinstance(image, np.ndarray):
        image = _picture(image)
    if isinstance(image, PIL.Image.Image):
        with undecodable(name, REMEDY, REMEDY):
            picture = to_rgb(image)
        return preprocess(picture)
    if isinstance(image, Tensor) and image.ndim == 3:
        return _tensors(image)[0]
    raise ClipnError(f"images: got {_kind(image)} among them; give {FORMS}")


def _picture(pixels: np.ndarray) -> PIL.Image.Image:
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ClipnError(f"images: got an array of shape {pixels.shape}, expected (h, w, 3); convert it to RGB")
    if pixels.size == 0:
        raise ClipnError(f"images: got an array of shape {pixels.shape}, which has no pixel; leave it out")
    if np.issubdtype(pixels.dtype, np.floating):
        # Also False for NaN.
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ClipnError("images: floats must lie between 0 and 1; divide by 255, or give uint8")
        pixels = np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ClipnError(f"images: got an array of {pixels.dtype}; give uint8, or floats from 0 to 1")
    return PIL.Image.fromarray(np.ascontiguousarray(pixels))


def _tensors(images: Tensor) -> Tensor:
    """Preprocessed images (n, 3, h, w), or features (n, d), as float32."""
    if not images.is_floating_point():
        raise ClipnError(f"images: got a tensor of {images.dtype}; give preprocessed floats, or NumPy arrays of uint8")
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 2 and (images.ndim != 4 or images.shape[1] != 3):
        raise ClipnError(f"images: got a tensor of shape {tuple(images.shape)}; give {FORMS}")
    if images.ndim == 2 and (wrong := off_unit(images.detach().cpu().float().numpy())):
        raise ClipnError(
            f"images: {wrong:,} features are not finite or not of length 1; give them unit-norm, or other images"
        )
    return images.float()


def _stacked(images: list[Tensor]) -> Tensor:
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise ClipnError(f"images: have different shapes, {', '.join(map(str, sorted(shapes)))}; preprocess them alike")
    return torch.stack(images)


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
