"""Shards: sorted, even, the same bytes every time, and whole when read."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import webdataset

from clipn.data.archives import member_names, write_archive
from clipn.data.captions import COLUMNS
from clipn.data.registry import Archive, CaptionSource
from clipn.data.shards import Sample, build_shards, count_samples, read_samples
from clipn.errors import ClipnError

SOURCE = CaptionSource(title="T", reader="cc3m", captions=Archive(file="c.tsv"), images=Archive(file="i.tar"))
SAMPLES = 10
Row = tuple[str, str, str]


def caption_rows(number: int = SAMPLES) -> list[Row]:
    """(source, image, caption); no two alike."""
    return [("cc3m", f"{row}.jpg", f"caption {row} é") for row in range(number)]


def build(
    folder: Path,
    rows: Sequence[Row],
    shards: int = 3,
    images: Sequence[str] | None = None,
    sources: Sequence[str] = ("cc3m",),
) -> tuple[list[Path], Path]:
    """Shards of `rows`, of which those in `images` (default: all) have an image."""
    held = sorted({image for _, image, _ in rows} if images is None else images, reverse=True)
    write_archive(folder / "i.tar", [(name, f"image {name}".encode()) for name in held])
    table = [(f"{number:09d}", *row) for number, row in enumerate(rows)]
    pd.DataFrame(table, columns=COLUMNS).to_parquet(folder / "captions.parquet")
    paths, index = [folder / f"{number}.tar" for number in range(shards)], folder / "index.json"
    build_shards(
        folder / "captions.parquet", dict.fromkeys(sources, SOURCE), dict.fromkeys(sources, folder), paths, index
    )
    return paths, index


def contents(samples: Sequence[Sample]) -> list[tuple[str, bytes, str]]:
    return [(sample.key, sample.image.content, sample.caption) for sample in samples]


def test_samples_come_back_in_order(tmp_path: Path) -> None:
    paths, index = build(tmp_path, caption_rows())
    assert contents(list(read_samples(paths))) == [
        (f"{row:09d}", f"image {row}.jpg".encode(), f"caption {row} é") for row in range(SAMPLES)
    ]
    assert count_samples(index) == SAMPLES


def test_shards_are_even_and_sorted_by_key(tmp_path: Path) -> None:
    paths, index = build(tmp_path, caption_rows())
    names = [member_names(path) for path in paths]
    assert [len(part) // 2 for part in names] == [3, 3, 4]
    assert names[0][:2] == ["000000000.jpg", "000000000.txt"]
    assert list(chain(*names)) == sorted(chain(*names))
    assert json.loads(index.read_text()) == {
        "samples": SAMPLES,
        "without_image": 0,
        "shards": {"0.tar": 3, "1.tar": 3, "2.tar": 4},
    }


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build(tmp_path / name, caption_rows())
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_webdataset_reads_them(tmp_path: Path) -> None:
    paths, _ = build(tmp_path, caption_rows())
    samples = list(webdataset.WebDataset([str(path) for path in paths], shardshuffle=False))
    assert [(sample["__key__"], sample["jpg"], sample["txt"].decode()) for sample in samples] == contents(
        list(read_samples(paths))
    )


def test_one_image_with_several_captions(tmp_path: Path) -> None:
    paths, _ = build(tmp_path, [("cc3m", "0.jpg", "one"), ("cc3m", "0.jpg", "two")], shards=1)
    assert contents(list(read_samples(paths))) == [
        ("000000000", b"image 0.jpg", "one"),
        ("000000001", b"image 0.jpg", "two"),
    ]


def test_captions_without_image_are_counted_and_images_without_caption_left_out(tmp_path: Path) -> None:
    paths, index = build(tmp_path, caption_rows(), shards=1, images=["0.jpg", "7.jpg", "extra.jpg"])
    assert [sample.key for sample in read_samples(paths)] == ["000000000", "000000007"]
    assert json.loads(index.read_text()) == {"samples": 2, "without_image": 8, "shards": {"0.tar": 2}}


@pytest.mark.parametrize("images", [[], ["0.jpg", "1.jpg"]])
def test_too_few_samples(tmp_path: Path, images: list[str]) -> None:
    with pytest.raises(ClipnError, match=f"{len(images)} captions have an image, too few for 3 shards"):
        build(tmp_path, caption_rows(), images=images)
    assert not list(tmp_path.glob("[0-9].tar"))


def test_captions_of_a_source_that_was_not_named(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"captions\.parquet: .*'cc3m'"):
        build(tmp_path, caption_rows(), sources=["flickr8k"])


@pytest.mark.parametrize(
    ("members", "key"),
    [
        ([("0.jpg", b"image")], "0"),
        ([("0.txt", b"caption")], "0"),
        ([("0.jpg", b"image"), ("0.txt", b"caption"), ("1.txt", b"caption"), ("2.jpg", b"image")], "1"),
    ],
)
def test_samples_that_lack_a_part(tmp_path: Path, members: list[tuple[str, bytes]], key: str) -> None:
    write_archive(tmp_path / "0.tar", members)
    with pytest.raises(ClipnError, match=rf"0\.tar: sample {key} lacks its image or caption; build the shards again"):
        list(read_samples([tmp_path / "0.tar"]))


def test_missing_and_damaged_shards(tmp_path: Path) -> None:
    paths, _ = build(tmp_path, caption_rows())
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    with pytest.raises(ClipnError, match=r"1\.tar: damaged"):
        list(read_samples(paths))
    paths[1].unlink()
    with pytest.raises(ClipnError, match=r"1\.tar: no such file"):
        list(read_samples(paths))
