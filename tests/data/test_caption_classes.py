"""Which samples of shards show one class."""

from pathlib import Path

import pytest

from clipn.data.captions.classes import read_classes_of
from clipn.errors import ClipnError
from tests.helpers.shard_building import build, write_captions

ROWS = [
    ("birds", "tiny/n01/0.jpg", "a robin"),
    ("birds", "tiny/n02/0.jpg", "a heron"),
    ("photos", "photos/n01/1.jpg", "a robin on a branch"),
    ("more", "other/n01/7.jpg", "robins"),
    ("photos", "photos/n01/1.jpg", "a bird sits there"),
    ("birds", "tiny/n01/1.jpg", "a picture of a robin"),
    ("photos", "photos/n01/2.jpg", "a boat"),
]


def test_folders_are_classes_where_a_source_says_so_and_images_elsewhere(tmp_path: Path) -> None:
    built = build(tmp_path, ROWS, sources=("birds", "photos", "more"))
    classes = read_classes_of(built.index, tmp_path / "captions.parquet", ["birds", "more"])
    assert classes.tolist() == [0, 1, 2, 0, 2, 0, 3]


def test_a_sample_without_its_image_shifts_no_other(tmp_path: Path) -> None:
    held = {image for _, image, _ in ROWS} - {"tiny/n02/0.jpg"}
    built = build(tmp_path, ROWS, images=[*held], sources=("birds", "photos", "more"))
    classes = read_classes_of(built.index, tmp_path / "captions.parquet", ["birds", "more"])
    assert classes.tolist() == [0, 1, 0, 1, 0, 2]


def test_captions_of_other_shards(tmp_path: Path) -> None:
    built = build(tmp_path, ROWS, sources=("birds", "photos", "more"))
    captions = write_captions(tmp_path / "captions.parquet", ROWS[:3])
    with pytest.raises(ClipnError, match=r"index\.parquet: sample 000000003 is not among .*captions\.parquet"):
        read_classes_of(built.index, captions, [])
