"""What the numbers of every kind of picture mean, and how large one may be; alike from files and in memory."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from clipn.data.manifest import index_images
from clipn.data.readers import Image
from clipn.data.readers.rgb import LONGEST_RATIO, to_rgb
from clipn.errors import ClipnError
from clipn.features.given_images import given_batches, read_picture
from clipn.model.backbone import preprocess
from tests.helpers.tiny_dataset import dataset, encoded, noise
from tests.helpers.tiny_model import ARCHITECTURE

RAMP = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
GREY = (RAMP >> 8).astype(np.uint8)
FLOATS = PIL.Image.fromarray((RAMP / 65535).astype(np.float32))
PREPROCESS = preprocess(ARCHITECTURE)


def opened(picture: PIL.Image.Image, form: str, **options: object) -> np.ndarray:
    """Pixels (h, w, 3) of a picture that was stored, which measuring finds sound, too."""
    image = Image("x", -1, encoded(picture, form, **options))
    assert image.measure() == picture.size
    return np.asarray(image.open())


def as_grey(levels: np.ndarray) -> np.ndarray:
    return np.stack([levels] * 3, axis=2)


# What numbers mean


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_of_16_bits_the_upper_8_count(form: str) -> None:
    np.testing.assert_array_equal(opened(PIL.Image.fromarray(RAMP), form), as_grey(GREY))


def test_floats_run_from_black_to_white() -> None:
    np.testing.assert_array_equal(opened(FLOATS, "TIFF"), as_grey(np.rint(RAMP / 65535 * 255).astype(np.uint8)))


def test_white_may_be_zero() -> None:
    options = {"tiffinfo": {PHOTOMETRIC_INTERPRETATION: 0}}
    np.testing.assert_array_equal(opened(PIL.Image.fromarray(RAMP), "TIFF", **options), as_grey(255 - GREY))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((RAMP / 257).astype(np.float32), "holds floats that are not from 0, black, to 1, white"),
        (np.full((4, 4), np.nan, np.float32), "holds floats that are not from 0, black, to 1, white"),
        (RAMP.astype(np.int32), "holds signed or 32-bit integers, which do not say what is white"),
    ],
)
def test_numbers_without_a_white_are_refused_with_the_file_s_name(values: np.ndarray, reason: str) -> None:
    image = Image("odd.tif", -1, encoded(PIL.Image.fromarray(values), "TIFF"))
    for read in (image.open, image.measure):
        with pytest.raises(ClipnError, match=rf"^odd\.tif: {reason}; exclude it with `select`, or convert it$"):
            read()
    with pytest.raises(ClipnError, match=rf"^mine: 1 image cannot be used: odd\.tif \({reason}\); repair or remove it"):
        index_images("mine", dataset(folder="mine"), [image])


def test_lab_is_refused() -> None:
    with pytest.raises(ClipnError, match=r"^x: has colours in CIELAB"):
        Image("x", -1, encoded(PIL.Image.new("LAB", (4, 4)), "TIFF")).open()


# Transparency


def two_pixels(mode: str) -> PIL.Image.Image:
    """Red that is seen, and green that is not."""
    picture = PIL.Image.fromarray(np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8))
    return picture.quantize(4) if mode == "P" else picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [(mode, form) for mode in ("RGBA", "LA") for form in ("PNG", "TIFF", "WEBP")] + [("RGBA", "GIF"), ("P", "PNG")],
)
def test_what_is_transparent_shows_white(mode: str, form: str) -> None:
    seen = [76, 76, 76] if mode == "LA" else [255, 0, 0]
    options = {"lossless": True} if form == "WEBP" else {}
    assert opened(two_pixels(mode), form, **options).tolist() == [[seen, [255, 255, 255]]]


def test_half_transparent_is_half_white() -> None:
    assert opened(PIL.Image.new("RGBA", (1, 1), (0, 0, 200, 51)), "PNG").tolist() == [[[204, 204, 244]]]


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_premultiplied_colours_are_read(mode: str) -> None:
    assert np.asarray(to_rgb(two_pixels("LA" if mode == "La" else "RGBA").convert(mode)))[0, 1].tolist() == [255] * 3


@pytest.mark.parametrize(("mode", "value"), [("RGB", (1, 2, 3)), ("L", 7)])
def test_one_value_may_be_transparent(mode: str, value: Any) -> None:
    assert opened(PIL.Image.new(mode, (1, 1), value), "PNG", transparency=value).tolist() == [[[255, 255, 255]]]
    assert opened(PIL.Image.fromarray(RAMP), "PNG", transparency=0)[0, 0].tolist() == [255, 255, 255]


# What stays as it was


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        *((mode, form) for mode in ("RGB", "L", "1") for form in ("JPEG", "PNG", "TIFF")),
        *((mode, form) for mode in ("CMYK", "YCbCr") for form in ("JPEG", "TIFF")),
        ("P", "PNG"),
        ("P", "TIFF"),
    ],
)
def test_what_is_opaque_is_what_pillow_makes_of_it(mode: str, form: str) -> None:
    content = encoded(noise(0, 61, 47).convert(mode), form)
    expected = PIL.Image.open(BytesIO(content)).convert("RGB")
    np.testing.assert_array_equal(np.asarray(Image("x", -1, content).open()), np.asarray(expected))


def test_opaque_alpha_changes_no_pixel() -> None:
    picture = noise(1, 61, 47)
    np.testing.assert_array_equal(opened(picture.convert("RGBA"), "PNG"), np.asarray(picture))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_counts(form: str) -> None:
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    found = opened(frames[0], form, save_all=True, append_images=frames[1:])
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 2  # WEBP loses a little


def test_a_picture_that_was_made_rgb_in_memory_is_taken_as_it_is() -> None:
    """Pillow hands the transparent entry of a palette on as a colour."""
    picture = PIL.Image.open(BytesIO(encoded(two_pixels("RGBA"), "GIF"))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(to_rgb(picture)), np.asarray(picture))


# Shapes


@pytest.mark.parametrize("size", [(1, LONGEST_RATIO), (2 * LONGEST_RATIO, 2)])
def test_a_narrow_picture_is_read(size: tuple[int, int]) -> None:
    assert opened(PIL.Image.new("RGB", size), "PNG").shape == (size[1], size[0], 3)


@pytest.mark.parametrize("size", [(1, LONGEST_RATIO + 1), (20_000, 1), (5_000, 9)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_that_is_too_narrow_is_refused(size: tuple[int, int], form: str) -> None:
    image = Image("narrow.png", -1, encoded(PIL.Image.new("RGB", size), form))
    reason = rf"has {size[0]:,} x {size[1]:,} pixels, one side more than 500 times the other"
    for read in (image.open, image.measure):
        with pytest.raises(ClipnError, match=rf"^narrow\.png: {reason}; exclude it"):
            read()


# In memory


def test_given_pictures_become_rgb_as_files_do(tmp_path: Path) -> None:
    pictures = [PIL.Image.fromarray(RAMP), FLOATS, two_pixels("RGBA"), two_pixels("LA")]
    paths = [tmp_path / f"{number}.tif" for number in range(len(pictures))]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    (given,), (read,) = (list(given_batches(images, PREPROCESS, 9)) for images in (pictures, paths))
    np.testing.assert_array_equal(given.numpy(), read.numpy())
    np.testing.assert_array_equal(np.asarray(read_picture(paths[0])), as_grey(GREY))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (PIL.Image.new("RGB", (1, 20_000)), "has 1 x 20,000 pixels, one side"),
        (PIL.Image.new("RGB", (0, 4)), r"has no pixel \(0 x 4\)"),
        (PIL.Image.fromarray(RAMP.astype(np.int32)), "holds signed or 32-bit integers"),
        (np.zeros((20_000, 1, 3), np.uint8), "has 1 x 20,000 pixels, one side"),
        (PIL.Image.open(BytesIO(encoded(noise(0, 61, 47))[:-200])), "truncated or not an image"),
    ],
)
def test_given_pictures_are_refused_by_their_number(image: object, reason: str) -> None:
    with pytest.raises(ClipnError, match=rf"^images\[1\]: {reason}.*; repair it, or leave it out$"):
        list(given_batches([noise(0, 40, 40), image], PREPROCESS, 2))


def test_an_array_without_pixels_is_refused() -> None:
    with pytest.raises(ClipnError, match=r"^images: got an array of shape \(0, 4, 3\), which has no pixel"):
        list(given_batches([np.zeros((0, 4, 3))], PREPROCESS, 2))
