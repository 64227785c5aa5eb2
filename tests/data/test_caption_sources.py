"""Captions of each kind of source: nothing lost, nothing invented, every fault named by file and line."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from clipn.data.archives import write_archive
from clipn.data.captions import sources as caption_sources
from clipn.data.captions.sources import NUMBERED_IMAGE, read_captions
from clipn.data.registry import Archive, CaptionSource, Selection
from clipn.errors import ClipnError
from clipn.text.prompts import imagenet_classnames, prompt_pool
from tests.helpers.tiny_dataset import write_files

QUOTED = ['"no end', "plain", '"whole"', 'mid" quote', "'single", '""', 'a "b', '" ', "x", '"y', "z"]
CC3M = CaptionSource(title="CC3M", reader="cc3m", captions=Archive(file="c.tsv"))


def in_archives(reader: str, *files: str, **fields: object) -> CaptionSource:
    record = {"title": "T", "reader": reader, "images": [Archive(file=file) for file in files or ("i.tar",)]}
    return CaptionSource.model_validate(record | fields)


def tsv(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def rows(source: CaptionSource, folder: Path) -> list[tuple[str, str]]:
    """(image, caption) of all batches."""
    table = pa.Table.from_batches(read_captions(source, folder), caption_sources.SCHEMA)
    return list(zip(table["image"].to_pylist(), table["caption"].to_pylist(), strict=True))


def captions(source: CaptionSource, folder: Path) -> list[str]:
    return [caption for _, caption in rows(source, folder)]


def refusal(source: CaptionSource, folder: Path) -> str:
    with pytest.raises(ClipnError) as caught:
        rows(source, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# cc3m


@pytest.mark.parametrize("block", [1, 7, 50, 1 << 20])
def test_a_caption_may_start_with_a_quotation_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """The 11 rows that other readers make 9 of, however many bytes are read at once."""
    monkeypatch.setattr(caption_sources, "BLOCK", block)
    addresses = [f"http://h/{number}.jpg" for number in range(len(QUOTED))]
    (tmp_path / "c.tsv").write_bytes(tsv(*map("\t".join, zip(QUOTED, addresses, strict=True))))
    table = pa.Table.from_batches(read_captions(CC3M, tmp_path))
    assert table["caption"].to_pylist() == QUOTED
    assert table["url"].to_pylist() == addresses
    assert table["image"].to_pylist() == [NUMBERED_IMAGE.format("cc3m", row) for row in range(len(QUOTED))]


def test_cc12m_has_the_address_first(tmp_path: Path) -> None:
    source = CaptionSource(title="CC12M", reader="cc12m", captions=Archive(file="c.tsv"))
    (tmp_path / "c.tsv").write_bytes(tsv('http://h/a.jpg\ta "dog', "http://h/b.png\t", "http://h/c\ta cat\r"))
    (batch,) = read_captions(source, tmp_path)
    assert batch["url"].to_pylist() == ["http://h/a.jpg", "http://h/b.png", "http://h/c"]
    assert batch["caption"].to_pylist() == ['a "dog', "", "a cat"]
    assert batch["image"].to_pylist() == [f"cc12m/00000000{row}.jpg" for row in range(3)]
    assert source.is_crawled


def test_parquet_of_addresses_and_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows keep their numbers across batches; DataComp's other columns are left alone."""
    monkeypatch.setattr(caption_sources, "ROWS", 2)
    columns = {"uid": ["x", "y", "z"], "text": ["a dog", None, "\u00e9"], "url": ["http://h/1", "http://h/2", None]}
    pq.write_table(pa.table(columns), tmp_path / "pool.parquet")
    source = CaptionSource(title="D", reader="datacomp", captions=Archive(file="pool.parquet"))
    table = pa.Table.from_batches(read_captions(source, tmp_path))
    assert table["caption"].to_pylist() == ["a dog", "", "\u00e9"]
    assert table["url"].to_pylist() == ["http://h/1", "http://h/2", None]
    assert table["image"].to_pylist() == [f"datacomp/00000000{row}.jpg" for row in range(3)]


@pytest.mark.parametrize("columns", [{"url": ["http://h/1"]}, {"url": ["http://h/1"], "text": [b"\xff"]}, None])
def test_parquet_that_is_no_pool(tmp_path: Path, columns: dict[str, list[object]] | None) -> None:
    source = CaptionSource(title="D", reader="datacomp", captions=Archive(file="pool.parquet"))
    if columns is None:
        (tmp_path / "pool.parquet").write_text("url,text")
    else:
        pq.write_table(pa.table(columns), tmp_path / "pool.parquet")
    assert "pool.parquet" in (message := refusal(source, tmp_path))
    assert "it needs the columns url and text" in message


@pytest.mark.parametrize("reader", ["cc3m", "cc12m", "datacomp"])
def test_a_list_of_addresses_is_a_file(reader: str) -> None:
    with pytest.raises(ValidationError, match="captions: name the caption file"):
        CaptionSource.model_validate({"title": "T", "reader": reader})


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_lines_end_at_line_feeds_only(tmp_path: Path, end: str) -> None:
    expected = ["one\u2028line", "form\x0cfeed", "next\x85line", "carriage\rreturn", "NA", "nul\0", "\r", ""]
    text = "".join(f"{caption}\th://h/{number}{end}" for number, caption in enumerate(expected))
    (tmp_path / "c.tsv").write_bytes(text.encode())
    (batch,) = read_captions(CC3M, tmp_path)
    assert batch["caption"].to_pylist() == expected
    assert batch["url"].to_pylist() == [f"h://h/{number}" for number in range(len(expected))]


def test_the_last_line_may_lack_its_end(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_bytes(tsv("a\thttp://h/1", "b\thttp://h/2")[:-1])
    assert captions(CC3M, tmp_path) == ["a", "b"]


def test_compressed_captions(tmp_path: Path) -> None:
    content = tsv(*(f"caption {row}\thttp://h/{row}" for row in range(1000)))
    source = CC3M.model_copy(update={"captions": Archive(file="c.tsv.gz")})
    packed = gzip.compress(content)
    (tmp_path / "c.tsv").write_bytes(content)
    (tmp_path / "c.tsv.gz").write_bytes(packed)
    assert rows(source, tmp_path) == rows(CC3M, tmp_path)
    for damaged in (packed[:-9], packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:], packed[:900] + packed, content):
        (tmp_path / "c.tsv.gz").write_bytes(damaged)
        assert refusal(source, tmp_path).startswith(f"{tmp_path}/c.tsv.gz: damaged (")


@pytest.mark.parametrize("block", [1, 16, 1 << 20])
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (tsv("a\thttp://h/1", "b http://h/2"), "line 2: expected two fields and one tab, got 1 fields; fetch it again"),
        (tsv("a\tb\thttp://h/1"), "line 1: expected two fields and one tab, got 3 fields; fetch it again"),
        (tsv("a\thttp://h/1", "", "b\thttp://h/2"), "line 2: expected two fields and one tab, got 1 fields; fetch it"),
        (tsv("a\thttp://h/1") + b"caf\xe9\thttp://h/2\nb\n", "line 2: not UTF-8; fetch it again"),
        (tsv("a\thttp://h/1") + b"\xed\xa0\x80\thttp://h/2\n", "line 2: not UTF-8; fetch it again"),
        (b"<!doctype html>\n<p>quota\n", "line 1: expected two fields"),
    ],
    ids=["no tab", "two tabs", "blank line", "latin-1", "surrogate", "web page"],
)
def test_bad_caption_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, error: str, block: int
) -> None:
    monkeypatch.setattr(caption_sources, "BLOCK", block)
    (tmp_path / "c.tsv").write_bytes(content)
    assert refusal(CC3M, tmp_path).startswith(f"{tmp_path}/c.tsv, {error}")


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(CC3M, tmp_path).startswith(f"{tmp_path}/c.tsv: no such file")


# Archives that hold images and captions


PHOTOGRAPHS = [f"{number}.jpg" for number in range(10)]


def flickr(folder: Path, *lines: str) -> None:
    images = [(f"f/images/{name}", b"") for name in reversed(PHOTOGRAPHS)]
    write_archive(folder / "i.tar", [*images, ("f/captions.tsv", tsv(*lines))])


def test_photographs_are_split_not_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_sources, "ROWS", 7)
    flickr(tmp_path, *(f"{name}\tcaption {number} of {name}" for name in PHOTOGRAPHS for number in range(5)))
    halves = [
        rows(in_archives("flickr8k", select=selection), tmp_path)
        for selection in (Selection(stop=8), Selection(start=8, stop=10))
    ]
    photographs = [{image for image, _ in half} for half in halves]
    assert [len(half) for half in halves] == [40, 10]
    assert photographs[0].isdisjoint(photographs[1])
    assert photographs[0] | photographs[1] == {f"f/images/{name}" for name in PHOTOGRAPHS}
    assert all(caption.endswith(Path(image).name) for half in halves for image, caption in half)


def test_captions_of_photographs_that_are_not_there(tmp_path: Path) -> None:
    flickr(tmp_path, "0.jpg\tone", "1.jpg\t", "absent.jpg\tthree")
    assert rows(in_archives("flickr8k"), tmp_path) == [("f/images/0.jpg", "one"), ("f/images/1.jpg", "")]
    flickr(tmp_path, "0.jpg\tone", "1.jpg two")
    assert refusal(in_archives("flickr8k"), tmp_path).startswith(f"{tmp_path}/i.tar/f/captions.tsv, line 2: expected")


def test_photographs_without_their_table(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar", [("f/images/0.jpg", b"")])
    with pytest.raises(ClipnError, match=r"i\.tar: holds no captions\.tsv; fetch it again"):
        rows(in_archives("flickr8k"), tmp_path)


# Folders of classes


def folders(folder: Path, *classes: str, **fields: object) -> CaptionSource:
    images = [(f"t/train/n{row % 2}/{row}.JPEG", b"") for row in range(4)]
    write_archive(folder / "i.tar", [*images, ("t/classes.tsv", tsv(*classes))])
    return in_archives("class_folders", **fields)


def test_names_and_templates_of_classes_take_turns(tmp_path: Path) -> None:
    source = folders(tmp_path, "n0\ttench, Tinca tinca", "n1\tgoldfish\r")
    templates = prompt_pool("openai80")
    assert rows(source, tmp_path) == [
        ("t/train/n0/0.JPEG", templates[0].format("tench")),
        ("t/train/n0/2.JPEG", templates[1].format("Tinca tinca")),
        ("t/train/n1/1.JPEG", templates[2].format("goldfish")),
        ("t/train/n1/3.JPEG", templates[3].format("goldfish")),
    ]


def test_a_folder_without_names(tmp_path: Path) -> None:
    source = folders(tmp_path, "n0\ttench")
    with pytest.raises(ClipnError, match=r"i\.tar: .*classes\.tsv has no names for n1"):
        rows(source, tmp_path)


def in_folders(folder: Path, *names: str, **fields: object) -> CaptionSource:
    """An archive without `classes.tsv`, of an image per folder, in no order."""
    write_archive(folder / "i.tar", [(f"c/{name}/{name}.jpg", b"") for name in reversed(names)])
    return in_archives("class_folders", **fields)


def test_a_table_at_the_root_of_the_archive(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar", [("n0/0.jpg", b""), ("classes.tsv", tsv("n0\ttench"))])
    assert captions(in_archives("class_folders"), tmp_path) == [prompt_pool("openai80")[0].format("tench")]


def test_without_a_table_folders_are_called_by_their_own_names(tmp_path: Path) -> None:
    source = in_folders(tmp_path, "Faces", "car_side", "ant", select=Selection(exclude=["*/ant/*"]))
    templates = prompt_pool("openai80")
    assert rows(source, tmp_path) == [
        ("c/Faces/Faces.jpg", templates[0].format("Faces")),
        ("c/car_side/car_side.jpg", templates[1].format("car side")),
    ]


def test_names_of_the_record_come_before_all_others(tmp_path: Path) -> None:
    templates = prompt_pool("openai80")
    given = in_folders(tmp_path, "Faces", "car_side", classes={"Faces": "face"})
    assert captions(given, tmp_path) == [templates[0].format("face"), templates[1].format("car side")]
    given = folders(tmp_path, "n0\ttench", "n1\tgoldfish", classes={"n1": "gold fish, carp"})
    names = ["tench", "tench", "gold fish", "carp"]
    assert captions(given, tmp_path) == [line.format(name) for line, name in zip(templates, names, strict=False)]


def test_names_of_imagenet_follow_the_order_of_all_wordnet_ids(tmp_path: Path) -> None:
    wordnet_ids = [f"n{number:08d}" for number in range(1000)]
    first = Selection(include=["*/n00000[01]*"], exclude=[f"*/{name}/*" for name in wordnet_ids[:1]])
    held = captions(in_folders(tmp_path, *wordnet_ids, classes="imagenet", select=first), tmp_path)
    names = imagenet_classnames()[1:]
    assert held == [line.format(name) for line, name in zip(prompt_pool("openai80") * 3, names, strict=False)][:199]


@pytest.mark.parametrize("names", [["n00000001"], ["ant", *(f"n{number:08d}" for number in range(999))]])
def test_names_of_imagenet_need_its_folders(tmp_path: Path, names: list[str]) -> None:
    source = in_folders(tmp_path, *names, classes="imagenet")
    assert f"names 1,000 folders called by WordNet id, and not its {len(names):,}; " in refusal(source, tmp_path)


def test_names_of_folders_that_are_not_there(tmp_path: Path) -> None:
    source = in_folders(tmp_path, "Faces", classes={"faces": "face", "Faces": "face"})
    assert refusal(source, tmp_path).endswith(
        "i.tar: has no folder of images 'faces'; correct `classes` of the captions"
    )


def test_an_image_in_no_folder_has_no_class(tmp_path: Path) -> None:
    write_archive(tmp_path / "i.tar", [("0.jpg", b"")])
    assert "i.tar: 0.jpg lies in no folder, so it has no class; " in refusal(in_archives("class_folders"), tmp_path)


@pytest.mark.parametrize(
    ("reader", "names", "complaint"),
    [
        ("flickr8k", {"classes": "imagenet"}, "`classes` names folders of reader `class_folders`"),
        ("flickr8k", {"wider": "imagenet"}, "`wider` names folders of reader `class_folders`"),
        ("class_folders", {"classes": "places"}, "Input should be 'imagenet'"),
        ("class_folders", {"wider": "places"}, "Input should be 'imagenet'"),
        ("class_folders", {"classes": {"Faces": " "}}, "String should match pattern"),
    ],
)
def test_class_names_that_mean_nothing(reader: str, names: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        in_archives(reader, **names)


@pytest.mark.parametrize("key", ["classes", "wider"])
def test_a_source_without_class_names_is_what_it_was_before_there_were_any(key: str) -> None:
    plain, named = in_archives("class_folders"), in_archives("class_folders", **{key: "imagenet"})
    assert f'"{key}"' not in plain.identity + plain.expectation
    assert named.identity != plain.identity


def test_a_second_caption_has_a_wider_name_where_there_is_one(tmp_path: Path) -> None:
    retriever, sorrel, unknown = "n02099601", "n02389026", "n00000000"
    source = in_folders(tmp_path, retriever, sorrel, unknown, wider="imagenet")
    templates = prompt_pool("openai80")
    assert rows(source, tmp_path) == [
        (f"c/{unknown}/{unknown}.jpg", templates[0].format(unknown)),
        (f"c/{retriever}/{retriever}.jpg", templates[1].format(retriever)),
        (f"c/{retriever}/{retriever}.jpg", templates[1].format("domestic animal")),
        (f"c/{sorrel}/{sorrel}.jpg", templates[2].format(sorrel)),
        (f"c/{sorrel}/{sorrel}.jpg", templates[2].format("horse")),
    ]


def test_wider_names_need_folders_that_have_some(tmp_path: Path) -> None:
    source = in_folders(tmp_path, "cat", "n00000000", wider="imagenet")
    assert refusal(source, tmp_path).endswith("by the WordNet id of an ImageNet class; leave `wider` out")


# WebDataset shards


def shard(path: Path, *samples: tuple[str, bytes]) -> None:
    """Members in the order of img2dataset, and a sample without an image."""
    parts = (((f"{key}.jpg", b""), (f"{key}.json", b"{}"), (f"{key}.txt", text)) for key, text in samples)
    write_archive(path, [*(member for sample in parts for member in sample), ("alone.txt", b"no image")])


def test_samples_of_shards_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_sources, "ROWS", 2)
    shard(tmp_path / "0.tar", ("00", b"a dog\n"), ("01", "ein B\u00e4r".encode()))
    shard(tmp_path / "1.tar", ("00", b"two\nlines"), ("02", b""))
    expected = [("0.tar/00.jpg", "a dog\n"), ("0.tar/01.jpg", "ein B\u00e4r"), ("1.tar/00.jpg", "two\nlines")]
    expected.append(("1.tar/02.jpg", ""))
    files = ("0.tar", "1.tar")
    assert rows(in_archives("webdataset", *files), tmp_path) == expected
    assert rows(in_archives("webdataset", *reversed(files)), tmp_path) == expected[2:] + expected[:2]
    part = in_archives("webdataset", *files, select=Selection(exclude=["01*"], start=1, stop=2))
    assert rows(part, tmp_path) == [expected[2]]


def test_a_caption_in_a_shard_that_is_not_utf_8(tmp_path: Path) -> None:
    shard(tmp_path / "i.tar", ("00", b"caf\xe9"))
    assert refusal(in_archives("webdataset"), tmp_path) == f"{tmp_path}/i.tar: 00.txt is not UTF-8; fetch it again"


# A folder of images with a table

TABLE = CaptionSource(title="T", reader="table", folder="mine")
HELD = [("a/0.jpg", 'a "big" dog, NA'), ("b/1.png", "NA"), ("2.jpg", "")]


def write_table(folder: Path, ending: str) -> None:
    path = folder / f"captions.{ending}"
    if ending == "parquet":
        images, texts = zip(*HELD, strict=True)
        pq.write_table(pa.table({"caption": [*texts[:2], None], "more": [1, 2, 3], "image": images}), path)
    elif ending == "csv":
        quoted = ((image, text.replace('"', '""')) for image, text in HELD)
        lines = (f'"{text}",5,{image}' for image, text in quoted)
        path.write_bytes(tsv("caption,more,image", *lines))
    else:
        path.write_bytes(tsv("image\tmore\tcaption", *(f"{image}\t5\t{text}" for image, text in HELD)))


@pytest.mark.parametrize("ending", ["tsv", "csv", "parquet"])
def test_a_table_beside_images(tmp_path: Path, ending: str) -> None:
    write_table(tmp_path, ending)
    assert rows(TABLE, tmp_path) == HELD


def test_images_that_the_table_does_not_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path, dict.fromkeys(("a/0.jpg", "a/1.jpg", "2.jpg", "3.png", "notes.txt"), b""))
    (tmp_path / "captions.csv").write_text("image,caption\n./a/0.jpg,x\n2.jpg,y\n")
    rows(TABLE, tmp_path)
    assert capsys.readouterr().err == f"{tmp_path}: left out, images without a caption: 2 (3.png, a/1.jpg)\n"


def test_a_caption_in_a_tsv_may_start_with_a_quotation_mark(tmp_path: Path) -> None:
    (tmp_path / "captions.tsv").write_bytes(tsv("image\tcaption", *(f"i.jpg\t{caption}" for caption in QUOTED)))
    assert captions(TABLE, tmp_path) == QUOTED


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, ": needs one captions.tsv, captions.csv or captions.parquet, has none"),
        ({"tsv": b"", "csv": b""}, ": needs one captions.tsv, captions.csv or captions.parquet, has captions.tsv, cap"),
        ({"csv": b"image,text\na,b\n"}, "/captions.csv: .*caption.*; it needs the columns image and caption, in UTF-8"),
        ({"csv": b"image,caption\na,b,c\n"}, "/captions.csv: .*Expected 2 columns, got 3.*; it needs the columns"),
        ({"tsv": b"image\tcaption\na\tcaf\xe9\n"}, "/captions.tsv: .*UTF8.*; it needs the columns .*, in UTF-8"),
        ({"csv": b""}, "/captions.csv: .*; it needs the columns"),
        ({"parquet": b"no table"}, "/captions.parquet: .*; it needs the columns"),
    ],
    ids=["none", "two", "column", "fields", "latin-1", "empty", "not Parquet"],
)
def test_folders_without_a_proper_table(tmp_path: Path, files: dict[str, bytes], error: str) -> None:
    for ending, content in files.items():
        (tmp_path / f"captions.{ending}").write_bytes(content)
    with pytest.raises(ClipnError, match=f"{tmp_path}{error}") as caught:
        rows(TABLE, tmp_path)
    assert "\n" not in str(caught.value)


# Real data beside the checkout


def test_real_flickr8k(real: Path) -> None:
    select = Selection(include=["*/images/*"], stop=800)
    found = rows(in_archives("flickr8k", "flickr8k-1000.tar", select=select), real)
    assert len(found) == 4000
    assert len({image for image, _ in found}) == 800
    assert all(caption.strip() for _, caption in found)


# What is left out


def test_images_without_captions_and_captions_without_images_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = [("0.jpg", b""), ("0.txt", b"zero"), ("1.b.jpg", b""), ("2.png", b""), ("3.txt", b"three")]
    write_archive(tmp_path / "i.tar", members)
    assert rows(in_archives("webdataset"), tmp_path) == [("i.tar/0.jpg", "zero")]
    table = ("f/captions.tsv", tsv("0.jpg\tzero", "9.jpg\tnine", "9.jpg\tagain"))
    write_archive(tmp_path / "f.tar", [table, ("f/images/0.jpg", b""), ("f/images/1.jpg", b"")])
    assert rows(in_archives("flickr8k", "f.tar"), tmp_path) == [("f/images/0.jpg", "zero")]
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/i.tar: left out, images without a caption: 2 (1.b.jpg, 2.png)",
        f"{tmp_path}/i.tar: left out, captions without an image, or one in `select`: 1 (3.txt)",
        f"{tmp_path}/f.tar: left out, captions without an image, or one in `select`: 2 (9.jpg, 9.jpg)",
        f"{tmp_path}/f.tar: left out, images without a caption: 1 (1.jpg)",
    ]


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    members = [("f/captions.tsv", tsv("0.jpg\tzero")), ("f/a/0.jpg", b""), ("f/b/0.jpg", b"")]
    write_archive(tmp_path / "i.tar", members)
    assert "holds two images of one name; leave one out with `select`" in refusal(in_archives("flickr8k"), tmp_path)
