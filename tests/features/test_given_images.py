"""Images in every form that people have them in: the same tensors from all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.features.given_images import given_batches
from clipn.model.backbone import preprocess
from tests.helpers.tiny_model import ARCHITECTURE

PREPROCESS = preprocess(ARCHITECTURE)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 40, 48, 3), dtype=np.uint8)
EXPECTED = torch.stack([PREPROCESS(PIL.Image.fromarray(pixels)) for pixels in PIXELS])


def batches(images: Any, batch: int = 2) -> list[Tensor]:
    return list(given_batches(images, PREPROCESS, batch))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    named = [tmp_path / f"{number}.png" for number in range(len(PIXELS))]
    for path, pixels in zip(named, PIXELS, strict=True):
        PIL.Image.fromarray(pixels).save(path)
    return named


FORMS: dict[str, Callable[[list[Path]], Any]] = {
    "paths": lambda paths: paths,
    "texts": lambda paths: tuple(map(str, paths)),
    "a folder": lambda paths: paths[0].parent,
    "a pandas column": lambda paths: pd.Series(list(map(str, paths))),
    "an array of objects": lambda paths: np.array(paths, dtype=object),
    "a generator": lambda paths: (path for path in paths),
    "pictures": lambda paths: [PIL.Image.open(path) for path in paths],
    "one array": lambda _: PIXELS,
    "floats": lambda _: PIXELS / 255,
    "half precision": lambda _: (PIXELS / 255).astype(np.float16),
    "arrays": lambda _: list(PIXELS),
    "tensors": lambda _: list(EXPECTED),
    "one tensor": lambda _: EXPECTED,
    "all kinds": lambda paths: [paths[0], PIXELS[1], EXPECTED[2], PIL.Image.fromarray(PIXELS[3]), str(paths[4])],
}


@pytest.mark.parametrize("form", FORMS)
def test_many(form: str, paths: list[Path]) -> None:
    found = batches(FORMS[form](paths))
    assert [len(batch) for batch in found] == [2, 2, 1]
    torch.testing.assert_close(torch.cat(found), EXPECTED, rtol=0, atol=0)


@pytest.mark.parametrize("form", ["paths", "texts", "pictures", "arrays", "tensors"])
def test_one(form: str, paths: list[Path]) -> None:
    (found,) = batches(FORMS[form](paths)[0])
    torch.testing.assert_close(found, EXPECTED[:1], rtol=0, atol=0)


def test_half_precision_of_tensors() -> None:
    (found,) = batches(EXPECTED[:1].half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, EXPECTED[:1], rtol=0, atol=2e-3)


def test_features_are_handed_on() -> None:
    features = torch.nn.functional.normalize(torch.randn(5, 32))
    assert torch.equal(torch.cat(batches(features)), features)


@pytest.mark.parametrize("wrong", [0.0, 0.99, 2.0, 1e30, float("inf"), float("nan")])
def test_features_that_are_not_of_length_1(wrong: float) -> None:
    features = torch.eye(3, 5)
    features[1, 1] = wrong
    with pytest.raises(ClipnError, match="images: 1 features are not finite or not of length 1; give them unit-norm"):
        batches(features)


def test_a_grey_picture_becomes_rgb() -> None:
    grey = PIL.Image.fromarray(PIXELS[0]).convert("L")
    (found,) = batches(grey)
    torch.testing.assert_close(found[0], PREPROCESS(grey.convert("RGB")))


def test_images_are_taken_a_batch_at_a_time() -> None:
    taken = []
    stream = given_batches((taken.append(pixels) or pixels for pixels in PIXELS), PREPROCESS, 2)
    next(stream)
    assert len(taken) == 2


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "got NoneType; give paths, one folder"),
        (b"abc", "got bytes; give"),
        ({"a": 1}, "got dict; give"),
        ([1], "got int among them; give"),
        (PIXELS[0, 0, 0], r"got an array of shape \(3,\); give"),
        (PIXELS[:, :, :, 0], r"got an array of shape \(5, 40, 48\), expected \(h, w, 3\); convert it to RGB"),
        (PIXELS[0].transpose(2, 0, 1), r"shape \(3, 40, 48\), expected \(h, w, 3\)"),
        (PIXELS[0].astype(int), "got an array of int64; give uint8, or floats from 0 to 1"),
        (PIXELS[0].astype(float), "floats must lie between 0 and 1; divide by 255, or give uint8"),
        (np.full((4, 4, 3), np.nan), "floats must lie between 0 and 1"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "got a tensor of torch.uint8; give preprocessed floats"),
        (torch.zeros(2, 1, 8, 8), r"got a tensor of shape \(2, 1, 8, 8\); give"),
        ([torch.zeros(3, 8, 8), torch.zeros(3, 9, 9)], r"have different shapes, \(3, 8, 8\), \(3, 9, 9\)"),
    ],
)
def test_what_is_refused(images: Any, message: str) -> None:
    with pytest.raises(ClipnError, match=f"^images: .*{message}"):
        batches(images)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ClipnError, match=r"a\.png: truncated or not an image; repair it, or leave it out$"):
        batches(tmp_path / "a.png")
    with pytest.raises(ClipnError, match=r"b\.png: No such file or directory; repair it, or leave it out$"):
        batches([tmp_path / "b.png"])
