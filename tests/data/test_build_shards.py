"""Shards: every image with its caption, sorted, even, the same bytes every time, wherever the images lie."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import webdataset

from clipn.data.archives import member_names, write_archive
from clipn.data.registry import Archive, CaptionSource
from clipn.data.shards import read_samples
from clipn.errors import ClipnError
from tests.helpers.shard_building import (
    SAMPLES,
    SHARD_OF,
    SOURCE,
    build,
    build_from,
    caption_rows,
    contents,
    picture,
    write_captions,
)


def source(reader: str, **fields: object) -> CaptionSource:
    return CaptionSource.model_validate({"title": "T", "reader": reader} | fields)


def archives(*names: str) -> list[Archive]:
    return [Archive(file=name) for name in names]


def test_shards_are_even_and_sorted_by_key(tmp_path: Path) -> None:
    paths, _, statistics = build(tmp_path, caption_rows())
    names = [member_names(path) for path in paths]
    assert [len(part) // 2 for part in names] == [SHARD_OF.count(shard) for shard in range(3)]
    assert names[0][:2] == ["000000000.jpg", "000000000.txt"]
    assert list(chain(*names)) == sorted(chain(*names))
    assert json.loads(statistics.read_text()) == {
        "samples": SAMPLES,
        "without_image": 0,
        "damaged": 0,
        "shards": {"0.tar": 3, "1.tar": 3, "2.tar": 4},
        "sources": {"cc3m": {"captions": SAMPLES, "with_image": SAMPLES}},
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
        ("000000000", picture("0.jpg"), "one"),
        ("000000001", picture("0.jpg"), "two"),
    ]


def test_captions_without_image_are_counted_and_images_without_caption_left_out(tmp_path: Path) -> None:
    paths, _, statistics = build(tmp_path, caption_rows(), shards=1, images=["0.jpg", "7.jpg", "extra.jpg"])
    assert [sample.key for sample in read_samples(paths)] == ["000000000", "000000007"]
    assert json.loads(statistics.read_text()) == {
        "samples": 2,
        "without_image": 8,
        "damaged": 0,
        "shards": {"0.tar": 2},
        "sources": {"cc3m": {"captions": 10, "with_image": 2}},
    }


def test_an_empty_image_is_none(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar", [("0.jpg", b""), ("1.jpg", picture("1"))])
    captions = write_captions(tmp_path / "captions.parquet", caption_rows(2))
    paths, _, statistics = build_from(tmp_path, captions, {"cc3m": SOURCE}, shards=1)
    assert [sample.key for sample in read_samples(paths)] == ["000000001"]
    assert json.loads(statistics.read_text())["without_image"] == 1


def test_the_share_of_what_the_paper_trained_on(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar", [("0.jpg", picture("0")), ("1.jpg", picture("1"))])
    captions = write_captions(tmp_path / "captions.parquet", caption_rows(3))
    _, _, statistics = build_from(tmp_path, captions, {"cc3m": SOURCE.model_copy(update={"trained_on": 16})}, shards=1)
    assert json.loads(statistics.read_text())["sources"] == {
        "cc3m": {"captions": 3, "with_image": 2, "trained_on": 16, "share": 0.125}
    }


@pytest.mark.parametrize("images", [[], ["0.jpg", "1.jpg"]])
def test_too_few_samples(tmp_path: Path, images: list[str]) -> None:
    with pytest.raises(ClipnError, match=f"{len(images)} captions have an image, too few for 3 shards"):
        build(tmp_path, caption_rows(), images=images)
    assert not list(tmp_path.glob("[0-9].tar"))


def test_captions_of_a_source_that_was_not_named(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"captions\.parquet: .*'cc3m'"):
        build(tmp_path, caption_rows(), sources=["flickr8k"])


# Wherever the images lie


def test_several_archives_of_several_sources_in_turn(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_archive(tmp_path / f"{name}.tar", [(f"{name}.jpg", picture(name)), ("captions.tsv", b"text")])
    rows = [("two", "c.jpg", "third"), ("one", "b.jpg", "second"), ("two", "a.jpg", "none"), ("one", "a.jpg", "first")]
    sources = {
        "one": source("flickr8k", images=archives("a.tar", "b.tar")),
        "two": source("flickr8k", images=archives("c.tar")),
    }
    paths, _, _ = build_from(tmp_path, write_captions(tmp_path / "captions.parquet", rows), sources, shards=1)
    assert contents(list(read_samples(paths))) == [
        ("000000000", picture("c"), "third"),
        ("000000001", picture("b"), "second"),
        ("000000003", picture("a"), "first"),
    ]


def test_images_of_webdataset_archives_are_told_apart_by_their_archive(tmp_path: Path) -> None:
    for name in ("0", "1"):
        members = [("000.jpg", picture(name)), ("000.txt", b"other"), ("000.json", b"{}")]
        write_archive(tmp_path / f"cc3m-train-{name}.tar", members)
    rows = [("wds", f"cc3m-train-{name}.tar/000.jpg", f"caption {name}") for name in ("1", "0")]
    sources = {"wds": source("webdataset", images=archives("cc3m-train-0.tar", "cc3m-train-1.tar"))}
    paths, _, _ = build_from(tmp_path, write_captions(tmp_path / "captions.parquet", rows), sources, shards=1)
    assert [sample.image.content for sample in read_samples(paths)] == [picture("1"), picture("0")]


def test_images_of_a_folder_are_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("deep/a.PNG", "b.jpeg"):
        (tmp_path / name).write_bytes(picture(name))
    rows = [("own", name, f"caption of {name}") for name in ("b.jpeg", "gone.jpg", "deep/a.PNG", "b.jpeg")]
    sources = {"own": source("table", folder="images")}
    paths, _, statistics = build_from(tmp_path, write_captions(tmp_path / "captions.parquet", rows), sources, shards=1)
    assert [sample.image.content for sample in read_samples(paths)] == [
        picture("b.jpeg"),
        picture("deep/a.PNG"),
        picture("b.jpeg"),
    ]
    assert json.loads(statistics.read_text())["without_image"] == 1


@pytest.mark.parametrize("name", ["../secret/own.jpg", "/etc/passwd", "link.jpg", "notes.txt"])
def test_a_table_names_nothing_but_images_of_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "own.jpg").write_bytes(picture("own"))
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "notes.txt").write_bytes(b"text")
    (folder / "link.jpg").symlink_to(tmp_path / "secret" / "own.jpg")
    captions = write_captions(folder / "captions.parquet", [("own", name, "caption")])
    with pytest.raises(ClipnError, match=f"{Path(name).name}'.* (do not use this archive|correct its table)"):
        build_from(folder, captions, {"own": source("table", folder="images")}, shards=1)
    assert not list(folder.glob("*.tar"))


def test_damaged_images_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = caption_rows(4)
    contents_of = {"0.jpg": picture("0"), "1.jpg": picture("1")[:40], "2.jpg": b"<html>", "3.jpg": picture("3")}
    write_archive(tmp_path / "i.tar", contents_of.items())
    paths, _, statistics = build_from(
        tmp_path, write_captions(tmp_path / "captions.parquet", rows), {"cc3m": SOURCE}, shards=2
    )
    assert [sample.key for sample in read_samples(paths)] == ["000000000", "000000003"]
    record = json.loads(statistics.read_text())
    assert (record["samples"], record["damaged"], record["without_image"]) == (2, 2, 0)
    assert record["shards"] == {"0.tar": 1, "1.tar": 1}
    assert record["sources"]["cc3m"] == {"captions": 4, "with_image": 2}


def test_members_keep_the_suffix_of_their_image(tmp_path: Path) -> None:
    names = ["0.jpg", "1.JPEG", "2.png", "3.webp"]
    paths, _, _ = build(tmp_path, [("cc3m", name, "caption") for name in names], shards=1)
    assert member_names(paths[0])[::2] == ["000000000.jpg", "000000001.jpg", "000000002.png", "000000003.webp"]
    assert [sample.image.content for sample in read_samples(paths)] == list(map(picture, names))


def test_a_name_in_two_archives(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_archive(tmp_path / f"{name}.tar", [("0.jpg", name.encode())])
    captions = write_captions(tmp_path / "captions.parquet", caption_rows(1))
    with pytest.raises(ClipnError, match=r"0\.jpg: is in .* twice; leave one of the archives out"):
        build_from(tmp_path, captions, {"cc3m": source("flickr8k", images=archives("a.tar", "b.tar"))})


def test_a_compressed_archive(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar.gz", [("0.jpg", picture("0"))])
    captions = write_captions(tmp_path / "captions.parquet", caption_rows(1))
    with pytest.raises(ClipnError, match=r"i\.tar\.gz: is compressed, so .*; unpack it to \.tar"):
        build_from(tmp_path, captions, {"cc3m": source("flickr8k", images=archives("i.tar.gz"))})


def test_a_crawl_that_did_not_finish(tmp_path: Path) -> None:
    captions = write_captions(tmp_path / "captions.parquet", caption_rows(1))
    with pytest.raises(ClipnError, match=r"images\.parquet: no such file"):
        build_from(tmp_path, captions, {"cc3m": source("cc3m", captions=Archive(file="c.tsv"))})


# Interrupted

KILLED_AT_SAMPLE_30 = """
import os, signal, sys
from itertools import count
from pathlib import Path
from clipn.data.shards.open_files import OpenFiles
from tests.helpers.shard_building import build, caption_rows

read, row = OpenFiles.read, count()
OpenFiles.read = lambda *part: os.kill(os.getpid(), signal.SIGKILL) if next(row) == 30 else read(*part)
build(Path(sys.argv[1]), caption_rows(40))
"""


def test_a_kill_leaves_whole_shards_and_no_index(tmp_path: Path) -> None:
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_SAMPLE_30, str(tmp_path / "killed")], cwd=root)
    assert killed.returncode == -9
    assert [path.name for path in sorted((tmp_path / "killed").glob("[!.i]*"))] == ["0.tar", "captions.parquet"]
    again, whole = (build(tmp_path / name, caption_rows(40)) for name in ("killed", "whole"))
    for path, other in zip([*again.shards, again.index], [*whole.shards, whole.index], strict=True):
        assert path.read_bytes() == other.read_bytes(), path.name
