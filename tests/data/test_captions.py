"""Captions of every source in one table: repaired, counted and dropped as asked for, at the same bytes every time."""

import json
import random
from pathlib import Path

import open_clip
import pandas as pd
import pyarrow.parquet as pq
import pytest

from clipn.data.archives import write_archive
from clipn.data.captions import LONGEST, duplicates, prepare_captions
from clipn.data.captions import sources as caption_sources
from clipn.data.captions import table as caption_table
from clipn.data.captions.sources import NUMBERED_IMAGE
from clipn.data.captions.table import COLUMNS
from clipn.data.registry import Archive, CaptionSource
from clipn.data.settings import CaptionPreparation
from clipn.errors import ClipnError

NONE = {"repaired": 0, "empty": 0, "overlong": 0, "duplicates": 0, "dropped": 0}
Counts = dict[str, dict[str, int]]


def cc3m(file: str = "c.tsv", **fields: object) -> CaptionSource:
    return CaptionSource.model_validate({"title": "T", "reader": "cc3m", "captions": Archive(file=file)} | fields)


def write(folder: Path, captions: list[str], file: str = "c.tsv") -> None:
    folder.mkdir(exist_ok=True)
    text = "".join(f"{caption}\thttp://h/{row}\n" for row, caption in enumerate(captions))
    (folder / file).write_bytes(text.encode())


def prepared(folder: Path, sources: dict[str, CaptionSource] | None = None, **settings: object) -> Counts:
    """Statistics of sources that all lie in `folder`; the table is `out/captions.parquet`."""
    sources = sources or {"cc3m": cc3m()}
    output, statistics = folder / "out" / "captions.parquet", folder / "out" / "captions.json"
    preparation = CaptionPreparation.model_validate(settings)
    prepare_captions(sources, dict.fromkeys(sources, folder), preparation, output, statistics)
    assert sorted(path.name for path in output.parent.iterdir()) == ["captions.json", "captions.parquet"]
    counts: Counts = json.loads(statistics.read_text())
    return counts


def table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "out" / "captions.parquet")


def refusal(folder: Path, source: CaptionSource, **settings: object) -> str:
    with pytest.raises(ClipnError) as caught:
        prepared(folder, {"cc3m": source}, **settings)
    assert list((folder / "out").iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The table


def test_every_column(tmp_path: Path) -> None:
    write(tmp_path, ["a  dog", " ", "Two CATS"])
    write_archive(tmp_path / "i.tar", [("0.jpg", b""), ("0.txt", b"a boat\n")])
    shards = CaptionSource(title="T", reader="webdataset", images=[Archive(file="i.tar")])
    counts = prepared(tmp_path, {"cc3m": cc3m(), "shards": shards})
    encode = open_clip.SimpleTokenizer().encode
    found = table(tmp_path)
    assert found.drop(columns="tokens").astype(object).where(found.notna(), None).to_numpy().tolist() == [
        ["000000000", "cc3m", 0, "cc3m/000000000.jpg", "http://h/0", "a dog"],
        ["000000001", "cc3m", 2, "cc3m/000000002.jpg", "http://h/2", "Two CATS"],
        ["000000002", "shards", 0, "i.tar/0.jpg", None, "a boat"],
    ]
    assert [list(tokens) for tokens in found["tokens"]] == [encode(text) for text in found["caption"]]
    assert counts["cc3m"] == NONE | {"rows": 3, "empty": 1, "dropped": 1, "kept": 2}
    assert counts["shards"] == NONE | {"rows": 1, "kept": 1}


def test_columns_describe_themselves(tmp_path: Path) -> None:
    write(tmp_path, ["a dog"])
    prepared(tmp_path)
    schema = pq.read_schema(tmp_path / "out" / "captions.parquet")
    assert schema.names == COLUMNS
    assert b"BPE ids" in schema.field("tokens").metadata[b"description"]
    assert all(field.metadata[b"description"] for field in schema)


def test_the_same_bytes_however_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = [f"caption  {row} caf\u00e9"[: 8 + row % 9] for row in range(100)]
    contents = []
    for block in (1, 100, 1 << 20):
        monkeypatch.setattr(caption_sources, "BLOCK", block)
        monkeypatch.setattr(caption_table, "ROW_GROUP", 16)
        write(tmp_path / str(block), captions)
        prepared(tmp_path / str(block))
        contents.append((tmp_path / str(block) / "out" / "captions.parquet").read_bytes())
    assert contents[0] == contents[1] == contents[2]
    metadata = pq.read_metadata(tmp_path / "1" / "out" / "captions.parquet")
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert sizes == [16] * 6 + [4]
    assert metadata.row_group(0).column(0).compression == "ZSTD"


# What becomes of captions


@pytest.mark.parametrize(
    ("raw", "repaired", "left"),
    [
        ("caf\u00c3\u00a9 \u00e2\u20ac\u2122n\u00e2\u20ac\u2122  tea", "caf\u00e9 'n' tea", None),
        ("salt &amp; pepper", "salt & pepper", None),
        ("\u201cso\u201d", '"so"', None),
        ("R&B & salt", "R&B & salt", "R&B & salt"),
        ("caf\u00e9  \u00a0 au\u2003lait ", "caf\u00e9 au lait", "caf\u00e9 au lait"),
    ],
)
def test_repair(tmp_path: Path, raw: str, repaired: str, left: str | None) -> None:
    """White space is normalised in any case, which is no repair."""
    write(tmp_path, ["a dog", raw])
    assert prepared(tmp_path)["cc3m"]["repaired"] == (left is None)
    assert table(tmp_path)["caption"][1] == repaired
    assert prepared(tmp_path, repair=False)["cc3m"]["repaired"] == 0
    assert table(tmp_path)["caption"][1] == (left or " ".join(raw.split()))


@pytest.mark.parametrize("empty", ["drop", "keep"])
def test_captions_without_a_visible_character(tmp_path: Path, empty: str) -> None:
    write(tmp_path, ["", "a", " \u2003 ", "\u200b\u00ad", "!"])
    dropped = 3 if empty == "drop" else 0
    counts = prepared(tmp_path, empty=empty)["cc3m"]
    assert counts == NONE | {
        "rows": 5, "empty": 3, "dropped": dropped, "kept": 5 - dropped, "duplicates": int(empty == "keep")
    }  # fmt: skip
    assert table(tmp_path)["row"].tolist() == ([1, 4] if dropped else [0, 1, 2, 3, 4])


@pytest.mark.parametrize("overlong", ["drop", "keep"])
def test_overlong_captions(tmp_path: Path, overlong: str) -> None:
    write(tmp_path, ["dog " * LONGEST, "dog " * (LONGEST + 1), "a"])
    counts = prepared(tmp_path, overlong=overlong)["cc3m"]
    kept = [LONGEST, 1] if overlong == "drop" else [LONGEST, LONGEST + 1, 1]
    assert counts == NONE | {"rows": 3, "overlong": 1, "dropped": 3 - len(kept), "kept": len(kept)}
    assert table(tmp_path)["tokens"].str.len().tolist() == kept


def test_duplicates_are_found_after_repair_and_across_sources(tmp_path: Path) -> None:
    write(tmp_path, ["a dog", "caf\u00e9", "a  dog", "A dog"])
    write(tmp_path, ["a cat", "caf\u00c3\u00a9", "a cat", "a dog", "end"], "d.tsv")
    sources = {"one": cc3m(), "two": cc3m("d.tsv")}
    kept = prepared(tmp_path, sources)
    assert kept["one"] == NONE | {"rows": 4, "duplicates": 1, "kept": 4}
    assert kept["two"] == NONE | {"rows": 5, "repaired": 1, "duplicates": 3, "kept": 5}
    assert len(table(tmp_path)) == 9
    dropped = prepared(tmp_path, sources, duplicates="drop")
    assert dropped["one"] == kept["one"] | {"dropped": 1, "kept": 3}
    assert dropped["two"] == kept["two"] | {"dropped": 3, "kept": 2}
    assert table(tmp_path)[["key", "source", "row", "caption"]].to_numpy().tolist() == [
        ["000000000", "one", 0, "a dog"],
        ["000000001", "one", 1, "caf\u00e9"],
        ["000000002", "one", 3, "A dog"],
        ["000000003", "two", 0, "a cat"],
        ["000000004", "two", 4, "end"],
    ]


@pytest.mark.parametrize("buckets", [1, 5, 64])
def test_many_duplicates_in_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buckets: int) -> None:
    """Against a dictionary that keeps the first row of each text."""
    monkeypatch.setattr(duplicates, "BUCKETS", buckets)
    monkeypatch.setattr(caption_sources, "BLOCK", 500)
    monkeypatch.setattr(caption_table, "ROW_GROUP", 64)
    drawn = random.Random(buckets)
    captions = [f"caption {drawn.randrange(300)}" for _ in range(1000)]
    captions[100:200] = [""] * 100
    write(tmp_path, captions)
    first = {caption: row for row, caption in reversed(list(enumerate(captions))) if caption}
    counts = prepared(tmp_path, duplicates="drop")["cc3m"]
    found = table(tmp_path)
    assert found["row"].tolist() == sorted(first.values())
    assert found["caption"].tolist() == [captions[row] for row in found["row"]]
    assert found["image"].tolist() == [NUMBERED_IMAGE.format("cc3m", row) for row in found["row"]]
    assert found["key"].tolist() == [f"{row:09d}" for row in range(len(first))]
    assert counts["duplicates"] == 900 - len(first)
    assert counts["kept"] == len(first) == 1000 - counts["dropped"]


# Refusals


def test_sources_without_captions(tmp_path: Path) -> None:
    for captions in ([], ["", " "]):
        write(tmp_path, captions)
        for empty in ("drop", "keep"):
            assert refusal(tmp_path, cc3m(), empty=empty) == f"{tmp_path}/c.tsv: holds no caption; fetch it again"


def test_a_wrong_number_of_rows(tmp_path: Path) -> None:
    write(tmp_path, ["a"])
    message = refusal(tmp_path, cc3m(rows=3_318_333))
    assert message == "cc3m: holds 1 captions, expected 3,318,333; fetch it again"
    prepared(tmp_path, {"cc3m": cc3m(rows=1)})


def test_sources_that_are_dropped_altogether(tmp_path: Path) -> None:
    write(tmp_path, ["dog " * 80])
    assert refusal(tmp_path, cc3m(), overlong="drop").startswith("cc3m: all 1 captions are dropped; keep what is")
    sources = {"one": cc3m(), "two": cc3m()}
    with pytest.raises(ClipnError, match="two: all 1 captions are dropped; keep what is overlong or duplicate, or"):
        prepared(tmp_path, sources, duplicates="drop")


def test_a_failure_leaves_earlier_files(tmp_path: Path) -> None:
    write(tmp_path, ["a"])
    prepared(tmp_path)
    before = (tmp_path / "out" / "captions.parquet").read_bytes()
    (tmp_path / "c.tsv").write_bytes(b"a\th\nb\n")
    with pytest.raises(ClipnError, match=r"c\.tsv, line 2"):
        prepared(tmp_path)
    assert (tmp_path / "out" / "captions.parquet").read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 2


# Real data beside the checkout


def test_real_conceptual_captions(real: Path, tmp_path: Path) -> None:
    source = cc3m("Validation_GCC-1.1.0-Validation.tsv.gz", rows=15_833)
    output, statistics = tmp_path / "captions.parquet", tmp_path / "captions.json"
    prepare_captions({"cc3m": source}, {"cc3m": real}, CaptionPreparation(), output, statistics)
    found = pd.read_parquet(output)
    assert json.loads(statistics.read_text())["cc3m"] == NONE | {"rows": 15_833, "duplicates": 290, "kept": 15_833}
    assert int(found["caption"].duplicated().sum()) == 290
    assert found["caption"][0] == "author : a life in photography -- in pictures"
    assert found["caption"].str.len().min() > 3
    assert found["url"].str.startswith("http").all()
