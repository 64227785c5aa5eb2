"""Images that are shrunk to those of a smaller dataset: their pixels, where this holds, and what it leaves alone."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from clipn.data.archives import member_names, write_archive
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import Image, read_dataset, read_images
from clipn.data.registry import Archive, Shrink
from clipn.data.shards import read_samples
from clipn.features.images import image_batches
from clipn.model.backbone import preprocess
from tests.helpers.shard_building import SOURCE, build_from, write_captions
from tests.helpers.tiny_dataset import at, dataset, encoded, noise
from tests.helpers.tiny_model import ARCHITECTURE

SHRINK = Shrink(size=32, quality=75)


def pixels(picture: PIL.Image.Image) -> NDArray[np.int64]:
    return np.asarray(picture).astype(np.int64)


def opened(picture: PIL.Image.Image, shrink: Shrink | None = SHRINK) -> NDArray[np.int64]:
    return pixels(Image("x.png", 0, encoded(picture, "PNG"), shrink=shrink).open())


@pytest.mark.parametrize(
    ("size", "resized", "box"),
    [
        ((64, 64), (32, 32), (0, 0, 32, 32)),
        ((96, 64), (48, 32), (8, 0, 40, 32)),
        ((64, 160), (32, 80), (0, 24, 32, 56)),
        ((16, 24), (32, 48), (0, 8, 32, 40)),
        ((32, 32), (32, 32), (0, 0, 32, 32)),
    ],
)
def test_the_shorter_side_is_resized_and_the_middle_goes_through_jpeg(
    size: tuple[int, int], resized: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    picture = noise(0, *size)
    square = picture.resize(resized, PIL.Image.Resampling.BICUBIC).crop(box)
    stored = PIL.Image.open(BytesIO(encoded(square, quality=75)))
    np.testing.assert_array_equal(opened(picture), pixels(stored))
    assert np.abs(opened(picture) - pixels(square)).max() > 50, "JPEG leaves noise as it was"


def test_quality_is_that_of_the_record() -> None:
    picture = noise(0, 64, 64)
    best = opened(picture, Shrink(size=32, quality=95))
    square = pixels(picture.resize((32, 32), PIL.Image.Resampling.BICUBIC))
    assert np.abs(best - square).mean() < np.abs(opened(picture) - square).mean()


def test_sides_of_any_ratio_become_a_square() -> None:
    assert opened(noise(0, 500, 3)).shape == opened(noise(0, 47, 61)).shape == (32, 32, 3)


def test_raw_pixels_are_shrunk_too() -> None:
    picture = noise(0, 64, 64)
    raw = Image("00000", 0, np.asarray(picture).transpose(2, 0, 1).tobytes(), (64, 64), SHRINK)
    np.testing.assert_array_equal(pixels(raw.open()), opened(picture))


@pytest.mark.parametrize(
    ("shrink", "key"),
    [({"size": 0, "quality": 75}, "size"), ({"size": 1025, "quality": 75}, "size"), ({"size": 32}, "quality")]
    + [({"size": 32, "quality": quality}, "quality") for quality in (0, 96, "best")]
    + [({"size": 32, "quality": 75, "crop": 1}, "crop"), (32, "shrink")],
)
def test_bad_values_are_refused(shrink: object, key: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^(shrink\.)?{key}$"):
        dataset("i.tar", shrink=shrink)


# A dataset that is shrunk

PICTURES = {f"{seed}.png": noise(seed, 80, 64) for seed in range(3)}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path / "i.tar", [(name, encoded(picture, "PNG")) for name, picture in PICTURES.items()])
    return tmp_path / "i.tar"


def test_its_manifest_is_of_the_files_as_they_are_stored(archive: Path) -> None:
    plain, shrunk = (
        index_images("d", location.record, read_images(location))
        for location in (at(archive), at(archive, shrink=SHRINK.model_dump()))
    )
    assert shrunk.equals(plain)
    assert shrunk["width"].to_pylist() == [80, 80, 80]


def test_models_and_figures_see_it_shrunk(archive: Path) -> None:
    location = at(archive, shrink=SHRINK.model_dump())
    registry, manifest = archive.with_name("registry.yaml"), archive.with_name("manifest.parquet")
    registry.write_text(yaml.safe_dump({"datasets": {"d": location.record.model_dump(mode="json")}}))
    write_manifest(index_images("d", location.record, read_images(location)), manifest)
    expected = [opened(picture) for picture in PICTURES.values()]
    for image, square in zip(read_dataset("d", registry, archive.parent), expected, strict=True):
        np.testing.assert_array_equal(pixels(image.open()), square)
    (batch,) = image_batches(manifest, read_dataset("d", registry, archive.parent), ARCHITECTURE)
    transform = preprocess(ARCHITECTURE)
    torch.testing.assert_close(
        batch, torch.stack([transform(PIL.Image.fromarray(one.astype(np.uint8))) for one in expected])
    )


# Captions


def test_images_of_captions_go_shrunk_into_the_shards_where_their_source_says_so(archive: Path) -> None:
    folder = archive.parent
    plain = SOURCE.model_copy(update={"images": [Archive(file="i.tar")]})
    sources = {"plain": plain, "small": plain.model_copy(update={"shrink": SHRINK})}
    rows = [(source, name, f"{source} {name}") for source in sources for name in PICTURES]
    built = build_from(folder, write_captions(folder / "captions.parquet", rows), sources, shards=1)
    shown = {sample.caption: sample.image for sample in read_samples(built.shards)}
    for name, picture in PICTURES.items():
        assert shown[f"plain {name}"].content == encoded(picture, "PNG")
        np.testing.assert_array_equal(pixels(shown[f"small {name}"].open()), opened(picture))
    assert [Path(name).suffix for name in member_names(*built.shards)] == [".png", ".txt"] * 3 + [".jpg", ".txt"] * 3


def test_an_image_that_does_not_decode_is_left_out_where_it_would_shrink(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar", [("a.png", encoded(noise(0, 80, 64), "PNG")), ("b.png", b"no image")])
    small = SOURCE.model_copy(update={"images": [Archive(file="i.tar")], "shrink": SHRINK})
    captions = write_captions(tmp_path / "captions.parquet", [("s", "a.png", "a"), ("s", "b.png", "b")])
    built = build_from(tmp_path, captions, {"s": small}, shards=1)
    assert [sample.caption for sample in read_samples(built.shards)] == ["a"]
    assert json.loads(built.statistics.read_text())["damaged"] == 1


# Identity


def test_a_record_without_the_setting_is_what_it_was_before_there_was_one() -> None:
    plain = dataset("i.tar")
    assert "shrink" not in plain.identity + plain.expectation
    assert dataset("i.tar", shrink=None).identity == plain.identity
    shrunk = [
        dataset("i.tar", shrink={"size": size, "quality": quality}) for size, quality in ((32, 75), (32, 76), (28, 75))
    ]
    assert len({record.identity for record in [plain, *shrunk]}) == 4
