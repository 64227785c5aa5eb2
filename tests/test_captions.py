"""Captions of every source in one table: nothing lost, nothing invented, every fault named by file and line."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from clipn.data.archives import write_archive
from clipn.data.captions import CC3M_IMAGE, COLUMNS, prepare_captions, read_captions
from clipn.data.registry import Archive, CaptionSource, Selection
from clipn.errors import ClipnError
from clipn.prompts import prompt_pool

QUOTED = ['"no end', "plain", '"whole"', 'mid" quote', "'single", '""', 'a "b', '" ', "x", '"y', "z"]


def cc3m(**fields: object) -> CaptionSource:
    record = {"title": "CC3M", "reader": "cc3m", "captions": Archive(file="c.tsv"), "images": [Archive(file="i.tar")]}
    return CaptionSource.model_validate(record | fields)


def in_archive(reader: str, **fields: object) -> CaptionSource:
    record = {"title": "T", "reader": reader, "images": [Archive(file="i.tar")]}
    return CaptionSource.model_validate(record | fields)


def prepared(folder: Path, **sources: CaptionSource) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """Table and statistics of sources that all lie in `folder`."""
    output, statistics = folder / "out" / "captions.parquet", folder / "out" / "captions.json"
    prepare_captions(sources, dict.fromkeys(sources, folder), output, statistics)
    return pd.read_parquet(output), json.loads(statistics.read_text())


def refusal(folder: Path, source: CaptionSource) -> str:
    with pytest.raises(ClipnError) as caught:
        prepared(folder, cc3m=source)
    assert not (folder / "out").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tsv(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


# cc3m


def test_a_caption_may_start_with_a_quotation_mark(tmp_path: Path) -> None:
    """The 11 rows that other readers make 9 of."""
    rows = [f"{caption}\thttp://h/{number}.jpg" for number, caption in enumerate(QUOTED)]
    (tmp_path / "c.tsv").write_bytes(tsv(*rows))
    table, statistics = prepared(tmp_path, cc3m=cc3m(rows=len(QUOTED)))
    assert table["caption"].tolist() == [caption.strip() for caption in QUOTED]
    assert table["image"].tolist() == [CC3M_IMAGE.format(row) for row in range(len(QUOTED))]
    assert statistics == {"cc3m": {"rows": 11, "empty": 0, "kept": 11}}


def test_columns_keys_and_paths(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_bytes(tsv("a dog\thttps://host:80/a/b.jpg", "a cat\thttp://h/c.jpg"))
    table, _ = prepared(tmp_path, cc3m=cc3m())
    assert list(table.columns) == COLUMNS
    assert table.to_numpy().tolist() == [
        ["000000000", "cc3m", "cc3m/000000000.jpg", "a dog"],
        ["000000001", "cc3m", "cc3m/000000001.jpg", "a cat"],
    ]


def test_white_space_is_normalised_and_empty_captions_are_counted(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_bytes(tsv(" a\u00a0 dog  runs \th://h/1", " \th://h/2", "\th://h/3", "cat\th://h/4"))
    table, statistics = prepared(tmp_path, cc3m=cc3m(rows=4))
    assert table[["key", "image", "caption"]].to_numpy().tolist() == [
        ["000000000", CC3M_IMAGE.format(0), "a dog runs"],
        ["000000001", CC3M_IMAGE.format(3), "cat"],
    ]
    assert statistics == {"cc3m": {"rows": 4, "empty": 2, "kept": 2}}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_lines_end_at_line_feeds_only(tmp_path: Path, end: str) -> None:
    captions = ["one\u2028line", "form\x0cfeed", "next\x85line", "carriage\rreturn", "nan", "nul\0"]
    text = "".join(f"{caption}\th://h/{number}{end}" for number, caption in enumerate(captions))
    (tmp_path / "c.tsv").write_bytes(text.encode())
    table, _ = prepared(tmp_path, cc3m=cc3m(rows=len(captions)))
    assert table["image"].tolist() == [CC3M_IMAGE.format(row) for row in range(len(captions))]
    assert table["caption"].tolist() == [" ".join(caption.split()) for caption in captions]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", r"c\.tsv: holds no caption; fetch it again"),
        (tsv("\thttp://h/1"), r"c\.tsv: holds no caption; fetch it again"),
        (tsv("a\thttp://h/1", "b http://h/2"), r"c\.tsv, line 2: expected two fields and one tab, got 1 field"),
        (tsv("a\tb\thttp://h/1"), r"c\.tsv, line 1: expected two fields and one tab, got 3 field"),
        (tsv("a\thttp://h/1", "", "b\thttp://h/2"), r"c\.tsv, line 2: expected two fields and one tab"),
        (tsv("a\thttp://h/1") + b"caf\xe9\thttp://h/2\n", r"c\.tsv, line 2: not UTF-8; fetch it again"),
        (b"<!doctype html>\n<p>quota\n", r"c\.tsv, line 1"),
    ],
    ids=["empty", "empty captions", "no tab", "two tabs", "blank line", "latin-1", "web page"],
)
def test_bad_caption_files(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "c.tsv").write_bytes(content)
    with pytest.raises(ClipnError, match=complaint):
        prepared(tmp_path, cc3m=cc3m())
    assert not (tmp_path / "out").exists()


def test_missing_rows_and_missing_file(tmp_path: Path) -> None:
    assert "c.tsv: no such file" in refusal(tmp_path, cc3m())
    (tmp_path / "c.tsv").write_bytes(tsv("a\thttp://h/1"))
    assert "cc3m: holds 1 captions, expected 3,318,333; fetch it again" in refusal(tmp_path, cc3m(rows=3_318_333))


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.tsv").write_bytes(tsv("a\thttp://h/1"))
        prepared(tmp_path / name, cc3m=cc3m())
    assert (tmp_path / "one/out/captions.parquet").read_bytes() == (tmp_path / "two/out/captions.parquet").read_bytes()


# Archives that hold images and captions


PHOTOGRAPHS = [f"{number}.jpg" for number in range(10)]


def flickr(folder: Path, *captions: str) -> None:
    images = [(f"f/images/{name}", b"") for name in reversed(PHOTOGRAPHS)]
    rows = captions or [f"{name}\tcaption {number} of {name}" for name in PHOTOGRAPHS for number in range(5)]
    write_archive(folder / "i.tar", [*images, ("f/captions.tsv", tsv(*rows))])


def test_photographs_are_split_not_captions(tmp_path: Path) -> None:
    flickr(tmp_path)
    halves = [
        list(read_captions(in_archive("flickr8k", select=selection), tmp_path))
        for selection in (Selection(stop=8), Selection(start=8, stop=10))
    ]
    photographs = [{image for image, _ in half} for half in halves]
    assert [len(half) for half in halves] == [40, 10]
    assert photographs[0].isdisjoint(photographs[1])
    assert photographs[0] | photographs[1] == {f"f/images/{name}" for name in PHOTOGRAPHS}
    assert all(caption.endswith(Path(image).name) for half in halves for image, caption in half)


def test_several_sources_are_numbered_through(tmp_path: Path) -> None:
    flickr(tmp_path, "0.jpg\t one\u2028 two ", "1.jpg\t", "absent.jpg\tthree")
    (tmp_path / "c.tsv").write_bytes(tsv("a dog\thttp://h/1.jpg"))
    table, statistics = prepared(tmp_path, flickr8k=in_archive("flickr8k"), cc3m=cc3m())
    assert table.to_numpy().tolist() == [
        ["000000000", "flickr8k", "f/images/0.jpg", "one two"],
        ["000000001", "cc3m", CC3M_IMAGE.format(0), "a dog"],
    ]
    assert statistics["flickr8k"] == {"rows": 2, "empty": 1, "kept": 1}


@pytest.mark.parametrize("reader", ["flickr8k", "class_folders"])
def test_archives_without_their_table(tmp_path: Path, reader: str) -> None:
    write_archive(tmp_path / "i.tar", [("f/images/0.jpg", b"")])
    with pytest.raises(ClipnError, match=r"i\.tar: holds no /\w+\.tsv; fetch it again"):
        prepared(tmp_path, source=in_archive(reader))


def folders(folder: Path, *classes: str) -> CaptionSource:
    images = [(f"t/train/n{row % 2}/{row}.JPEG", b"") for row in range(4)]
    write_archive(folder / "i.tar", [*images, ("t/classes.tsv", tsv(*classes))])
    return in_archive("class_folders")


def test_names_and_templates_of_classes_take_turns(tmp_path: Path) -> None:
    source = folders(tmp_path, "n0\ttench, Tinca tinca", "n1\tgoldfish")
    templates = prompt_pool("openai80")
    assert list(read_captions(source, tmp_path)) == [
        ("t/train/n0/0.JPEG", templates[0].format("tench")),
        ("t/train/n0/2.JPEG", templates[1].format("Tinca tinca")),
        ("t/train/n1/1.JPEG", templates[2].format("goldfish")),
        ("t/train/n1/3.JPEG", templates[3].format("goldfish")),
    ]


def test_a_folder_without_names(tmp_path: Path) -> None:
    source = folders(tmp_path, "n0\ttench")
    with pytest.raises(ClipnError, match=r"i\.tar: .*classes\.tsv has no names for n1"):
        list(read_captions(source, tmp_path))


# Real data beside the checkout


def test_real_conceptual_captions(real: Path, tmp_path: Path) -> None:
    packed = real / "Validation_GCC-1.1.0-Validation.tsv.gz"
    (tmp_path / "c.tsv").write_bytes(gzip.decompress(packed.read_bytes()))
    table, statistics = prepared(tmp_path, cc3m=cc3m(rows=15_833))
    assert statistics["cc3m"] == {"rows": 15_833, "empty": 0, "kept": 15_833}
    assert table["caption"][0] == "author : a life in photography -- in pictures"
    assert table["caption"].str.len().min() > 3


def test_real_flickr8k(real: Path) -> None:
    select = Selection(include=["*/images/*"], stop=800)
    source = in_archive("flickr8k", images=[Archive(file="flickr8k-1000.tar")], select=select)
    rows = list(read_captions(source, real))
    assert len(rows) == 4000
    assert len({image for image, _ in rows}) == 800
    assert all(caption.strip() for _, caption in rows)
