"""Shards: whole when read, and in any order by their index."""

import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from clipn.data.archives import write_archive
from clipn.data.shards import (
    INDEX_COLUMNS,
    ShardImages,
    count_samples,
    index_shards,
    open_files,
    read_captions_of,
    read_samples,
)
from clipn.errors import ClipnError
from clipn.text.tokenizer import tokenize
from tests.helpers.shard_building import SAMPLES, SHARD_OF, build, caption_rows, contents, picture


def read_all(shards: Sequence[Path], index: Path) -> None:
    list(read_samples(shards))


Reader = Callable[[Sequence[Path], Path], None]
every_reader = pytest.mark.parametrize("read", [read_all, index_shards])


def test_samples_come_back_in_order(tmp_path: Path) -> None:
    paths, _, _ = build(tmp_path, caption_rows())
    assert contents(list(read_samples(paths))) == [
        (f"{row:09d}", picture(f"{row}.jpg"), f"caption {row} é") for row in range(SAMPLES)
    ]


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
@pytest.mark.parametrize(
    ("names", "part"), [(["0.jpg", "0.png", "0.txt"], "image"), (["0.txt", "0.TXT", "0.jpg"], "caption")]
)
def test_samples_that_have_a_part_twice(tmp_path: Path, names: list[str], part: str, read: Reader) -> None:
    write_archive(tmp_path / "0.tar", [(name, b"x") for name in names])
    with pytest.raises(ClipnError, match=rf"0\.tar: sample 0 has more than one {part}; build the shards again"):
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
        assert (tmp_path / shard).read_bytes()[offset : offset + size] == picture(f"{row}.jpg")
    assert [list(ids) for ids in table["tokens"]] == tokenize(table["caption"].tolist()).to_pylist()
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
        assert (image.content, image.label) == (picture(f"{row}.jpg"), -1)
        assert image.path == f"{SHARD_OF[row]}.tar#{row}"
    with pytest.raises(IndexError):
        images[SAMPLES]


def test_more_shards_than_are_held_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "HELD_OPEN", 1)
    shards, index, _ = build(tmp_path, caption_rows())
    images = ShardImages(index, shards)
    assert [images[row].content for row in (4, 0, 9, 4)] == [picture(f"{row}.jpg") for row in (4, 0, 9, 4)]


def test_shards_may_lie_elsewhere_than_when_indexed(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    (tmp_path / "moved").mkdir()
    moved = [shard.rename(tmp_path / "moved" / shard.name) for shard in shards]
    assert ShardImages(index, moved)[9].content == picture("9.jpg")


@pytest.mark.parametrize("read_from", [False, True], ids=["fresh", "read from"])
def test_images_go_to_other_processes(tmp_path: Path, read_from: bool) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    images = ShardImages(index, shards)
    if read_from:
        assert images[4].content == picture("4.jpg")
    assert pickle.loads(pickle.dumps(images))[4].content == picture("4.jpg")


def test_a_shard_that_was_not_given_or_is_gone(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    with pytest.raises(ClipnError, match=r"index\.parquet: lists shard 1\.tar, which was not given; name all shards"):
        ShardImages(index, [shards[0], shards[2]])
    images = ShardImages(index, shards)
    shards[1].unlink()
    assert images[0].content == picture("0.jpg")
    with pytest.raises(ClipnError, match=r"1\.tar: no such file"):
        images[3]
    with pytest.raises(ClipnError, match=r"nowhere\.parquet: no such file"):
        ShardImages(tmp_path / "nowhere.parquet", shards)


def test_a_shard_cut_short_after_it_was_indexed(tmp_path: Path) -> None:
    shards, index, _ = build(tmp_path, caption_rows())
    last = pd.read_parquet(index).iloc[5]
    shards[1].write_bytes(shards[1].read_bytes()[: last["offset"] + last["size"] - 1])
    images = ShardImages(index, shards)
    assert images[4].content == picture("4.jpg")
    with pytest.raises(ClipnError, match=r"1\.tar: ends before sample 5; build the shards again"):
        images[5]
