"""Shards: sorted, even, the same bytes every time, whole when read, and in any order by their index."""

import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest
import webdataset

from clipn.data.archives import member_names, write_archive
from clipn.data.captions import COLUMNS
from clipn.data.registry import Archive, CaptionSource
from clipn.data.shards import (
    INDEX_COLUMNS,
    Sample,
    ShardImages,
    build_shards,
    count_samples,
    index_shards,
    read_captions_of,
    read_samples,
)
from clipn.errors import ClipnError

SOURCE = CaptionSource(title="T", reader="cc3m", captions=Archive(file="c.tsv"), images=[Archive(file="i.tar")])
SAMPLES = 10
SHARD_OF = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
"""Shard of every sample, of three."""
Row = tuple[str, str, str]


class Built(NamedTuple):
    """What `build_shards` wrote."""

    shards: list[Path]
    index: Path
    statistics: Path


def caption_rows(number: int = SAMPLES) -> list[Row]:
    """(source, image, caption); no two alike."""
    return [("cc3m", f"{row}.jpg", f"caption {row} é") for row in range(number)]


def build(
    folder: Path,
    rows: Sequence[Row],
    shards: int = 3,
    images: Sequence[str] | None = None,
    sources: Sequence[str] = ("cc3m",),
) -> Built:
    """Shards of `rows`, of which those in `images` (default: all) have an image."""
    held = sorted({image for _, image, _ in rows} if images is None else images, reverse=True)
    write_archive(folder / "i.tar", [(name, f"image {name}".encode()) for name in held])
    table = [(f"{number:09d}", *row) for number, row in enumerate(rows)]
    pd.DataFrame(table, columns=COLUMNS).to_parquet(folder / "captions.parquet")
    built = Built(
        [folder / f"{number}.tar" for number in range(shards)], folder / "index.parquet", folder / "shards.json"
    )
    build_shards(folder / "captions.parquet", dict.fromkeys(sources, SOURCE), dict.fromkeys(sources, folder), *built)
    return built


def read_all(shards: Sequence[Path], index: Path) -> None:
    list(read_samples(shards))


Reader = Callable[[Sequence[Path], Path], None]
every_reader = pytest.mark.parametrize("read", [read_all, index_shards])


def contents(samples: Sequence[Sample]) -> list[tuple[str, bytes, str]]:
    return [(sample.key, sample.image.content, sample.caption) for sample in samples]


def test_samples_come_back_in_order(tmp_path: Path) -> None:
    paths, _, _ = build(tmp_path, caption_rows())
    assert contents(list(read_samples(paths))) == [
        (f"{row:09d}", f"image {row}.jpg".encode(), f"caption {row} é") for row in range(SAMPLES)
    ]


def test_shards_are_even_and_sorted_by_key(tmp_path: Path) -> None:
    paths, _, statistics = build(tmp_path, caption_rows())
    names = [member_names(path) for path in paths]
    assert [len(part) // 2 for part in names] == [SHARD_OF.count(shard) for shard in range(3)]
    assert names[0][:2] == ["000000000.jpg", "000000000.txt"]
    assert list(chain(*names)) == sorted(chain(*names))
    assert json.loads(statistics.read_text()) == {
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
    paths, _, _ = build(tmp_path, caption_rows())
    samples = list(webdataset.WebDataset([str(path) for path in paths], shardshuffle=False))
    assert [(sample["__key__"], sample["jpg"], sample["txt"].decode()) for sample in samples] == contents(
        list(read_samples(paths))
    )


def test_one_image_with_several_captions(tmp_path: Path) -> None:
    paths, _, _ = build(tmp_path, [("cc3m", "0.jpg", "one"), ("cc3m", "0.jpg", "two")], shards=1)
    assert contents(list(read_samples(paths))) == [
        ("000000000", b"image 0.jpg", "one"),
        ("000000001", b"image 0.jpg", "two"),
    ]


def test_captions_without_image_are_counted_and_images_without_caption_left_out(tmp_path: Path) -> None:
    paths, _, statistics = build(tmp_path, caption_rows(), shards=1, images=["0.jpg", "7.jpg", "extra.jpg"])
    assert [sample.key for sample in read_samples(paths)] == ["000000000", "000000007"]
    assert json.loads(statistics.read_text()) == {"samples": 2, "without_image": 8, "shards": {"0.tar": 2}}


@pytest.mark.parametrize("images", [[], ["0.jpg", "1.jpg"]])
def test_too_few_samples(tmp_path: Path, images: list[str]) -> None:
    with pytest.raises(ClipnError, match=f"{len(images)} captions have an image, too few for 3 shards"):
        build(tmp_path, caption_rows(), images=images)
    assert not list(tmp_path.glob("[0-9].tar"))


def test_captions_of_a_source_that_was_not_named(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"captions\.parquet: .*'cc3m'"):
        build(tmp_path, caption_rows(), sources=["flickr8k"])


@every_reader
@pytest.mark.parametrize(
    ("members", "key"),
    [
        ([("0.jpg", b"image")], "0"),
        ([("0.txt", b"caption")], "0"),
        ([("0.jpg", b"image"), ("0.txt", b"caption"), ("1.txt", b"caption"), ("2.jpg", b"image")], "1"),
    ],
)
def test_samples_that_lack_a_part(tmp_path: Path, members: list[tuple[str, bytes]], key: str, read: Reader) -> None:
    write_archive(tmp_path / "0.tar", members)
    with pytest.raises(ClipnError, match=rf"0\.tar: sample {key} lacks its image or caption; build the shards again"):
        read([tmp_path / "0.tar"], tmp_path / "new.parquet")


@every_reader
def test_missing_and_damaged_shards(tmp_path: Path, read: Reader) -> None:
    paths, _, _ = build(tmp_path, caption_rows())
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    with pytest.raises(ClipnError, match=r"1\.tar: damaged"):
        read(paths, tmp_path / "new.parquet")
    paths[1].unlink()
    with pytest.raises(ClipnError, match=r"1\.tar: no such file"):
        read(paths, tmp_path / "new.parquet")
    assert not (tmp_path / "new.parquet").exists()


@every_reader
def test_a_caption_that_is_not_utf8(tmp_path: Path, read: Reader) -> None:
    write_archive(tmp_path / "0.tar", [("0.jpg", b"image"), ("0.txt", b"caf\xe9")])
    with pytest.raises(ClipnError, match=r"0\.tar: .*0"):
        read([tmp_path / "0.tar"], tmp_path / "new.parquet")


# The index


def test_index(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    table = pd.read_parquet(index)
    assert list(table.columns) == INDEX_COLUMNS
    assert list(zip(table["key"], table["caption"], table["shard"], strict=True)) == [
        (f"{row:09d}", f"caption {row} é", f"{SHARD_OF[row]}.tar") for row in range(SAMPLES)
    ]
    for row, (shard, offset, size) in enumerate(zip(table["shard"], table["offset"], table["size"], strict=True)):
        assert (tmp_path / shard).read_bytes()[offset : offset + size] == f"image {row}.jpg".encode()
    assert count_samples(index) == SAMPLES
    assert read_captions_of(index) == [f"caption {row} é" for row in range(SAMPLES)]
    hashes = json.loads(pq.read_schema(index).metadata[b"sha256"])
    assert hashes == {shard.name: hashlib.sha256(shard.read_bytes()).hexdigest() for shard in shards}


def test_an_index_of_other_images_is_another_file(tmp_path: Path) -> None:
    """Of the same sizes and captions: whoever knows the index by its hash knows the images too."""
    contents_of_index = []
    for image in (b"image", b"other"):
        write_archive(tmp_path / "0.tar", [("0.jpg", image), ("0.txt", b"caption")])
        index_shards([tmp_path / "0.tar"], tmp_path / "index.parquet")
        contents_of_index.append((tmp_path / "index.parquet").read_bytes())
    assert contents_of_index[0] != contents_of_index[1]


def foreign_shards(folder: Path) -> list[Path]:
    """As img2dataset writes them, and odder: other members, other suffixes, any order, a key of another length."""
    long = f"{'k' * 120}é"
    write_archive(
        folder / "00000.tar",
        [
            ("000000000.json", b'{"caption": "not this"}'),
            ("000000000.png", b"png"),
            ("000000000.txt", b"first"),
            ("000000001.txt", b"second"),
            ("000000001.json", b"{}"),
            ("000000001.JPG", b"jpg"),
            ("000000002.webp", b"webp"),
            (f"{long}.jpeg", b"jpeg"),
            (f"{long}.txt", b"third"),
            ("000000002.txt", b"fourth"),
            ("._000000003.jpg", b"left by a Mac"),
            ("stats.parquet", b"table"),
        ],
    )
    write_archive(folder / "00001.tar", [("000010000.png", b""), ("000010000.txt", "fünfte".encode())])
    return [folder / "00000.tar", folder / "00001.tar"]


def test_shards_of_img2dataset(tmp_path: Path) -> None:
    shards, index = foreign_shards(tmp_path), tmp_path / "index.parquet"
    index_shards(shards, index)
    images = ShardImages(index, shards)
    found = zip(pd.read_parquet(index)["key"], (images[row].content for row in range(5)), strict=True)
    assert list(zip(*zip(*found, strict=True), read_captions_of(index), strict=True)) == [
        ("000000000", b"png", "first"),
        ("000000001", b"jpg", "second"),
        ("k" * 120 + "é", b"jpeg", "third"),
        ("000000002", b"webp", "fourth"),
        ("000010000", b"", "fünfte"),
    ]
    assert list(pd.read_parquet(index)["caption"]) == [sample.caption for sample in read_samples(shards)]


def test_compressed_shards_have_no_index(tmp_path: Path) -> None:
    shard = tmp_path / "0.tar.gz"
    write_archive(shard, [("0.jpg", b"image"), ("0.txt", b"caption")])
    assert len(list(read_samples([shard]))) == 1
    with pytest.raises(ClipnError, match=r"0\.tar\.gz: is compressed, so .*; unpack it to \.tar"):
        index_shards([shard], tmp_path / "index.parquet")
    assert not (tmp_path / "index.parquet").exists()


def test_shards_of_the_same_name_are_refused(tmp_path: Path) -> None:
    """The index knows a shard by its name."""
    for folder in ("cc3m", "flickr"):
        (tmp_path / folder).mkdir()
        write_archive(tmp_path / folder / "0.tar", [("0.jpg", folder.encode()), ("0.txt", b"caption")])
    with pytest.raises(ClipnError, match=r"0\.tar"):
        index_shards([tmp_path / "cc3m" / "0.tar", tmp_path / "flickr" / "0.tar"], tmp_path / "index.parquet")


# Images in any order


def test_images_by_row_in_any_order(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    images = ShardImages(index, shards[::-1])
    assert len(images) == SAMPLES
    for row in (7, 0, 9, 3, 3, 2):
        image = images[row]
        assert (image.content, image.label) == (f"image {row}.jpg".encode(), -1)
        assert image.path == f"{SHARD_OF[row]}.tar#{row}"
    with pytest.raises(IndexError):
        images[SAMPLES]


def test_shards_may_lie_elsewhere_than_when_indexed(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    (tmp_path / "moved").mkdir()
    moved = [shard.rename(tmp_path / "moved" / shard.name) for shard in shards]
    assert ShardImages(index, moved)[9].content == b"image 9.jpg"


@pytest.mark.parametrize("read_from", [False, True], ids=["fresh", "read from"])
def test_images_go_to_other_processes(tmp_path: Path, read_from: bool) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    images = ShardImages(index, shards)
    if read_from:
        assert images[4].content == b"image 4.jpg"
    assert pickle.loads(pickle.dumps(images))[4].content == b"image 4.jpg"


def test_a_shard_that_was_not_given_or_is_gone(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    with pytest.raises(ClipnError, match=r"index\.parquet: lists shard 1\.tar, which was not given; name all shards"):
        ShardImages(index, [shards[0], shards[2]])
    images = ShardImages(index, shards)
    shards[1].unlink()
    assert images[0].content == b"image 0.jpg"
    with pytest.raises(ClipnError, match=r"1\.tar: no such file"):
        images[3]
    with pytest.raises(ClipnError, match=r"nowhere\.parquet: no such file"):
        ShardImages(tmp_path / "nowhere.parquet", shards)


def test_a_shard_cut_short_after_it_was_indexed(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    last = pd.read_parquet(index).iloc[5]
    shards[1].write_bytes(shards[1].read_bytes()[: last["offset"] + last["size"] - 1])
    images = ShardImages(index, shards)
    assert images[4].content == b"image 4.jpg"
    with pytest.raises(ClipnError, match=r"1\.tar: ends before sample 5; build the shards again"):
        images[5]
