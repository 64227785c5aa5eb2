"""A small crawl in a folder of its own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipn.data.crawl import crawl_images
from clipn.data.registry import Archive, CaptionSource
from clipn.data.settings import Crawl
from clipn.errors import ClipnError
from tests.helpers import crawler

SOURCE = CaptionSource(title="T", reader="cc3m", captions=Archive(file="c.tsv"), trained_on=20)
URLS = ["ok/0", "404/1", "ok/2", "flaky/3", "odd/4", "ok/5", "ok/6"]
CAME = [0, 2, 3, 5, 6]
FIRST_ROW = 100
"""Rows are numbers of their own, not positions."""


class Work(NamedTuple):
    """Files of a crawl."""

    captions: Path
    folder: Path
    report: Path
    executable: Path

    def crawl(self, **settings: Any) -> dict[str, Any]:
        """Crawl in shards of three; the report."""
        limits = Crawl.model_validate({"shard_size": 3, "processes": 1, "threads": 4} | settings)
        crawl_images(self.captions, "cc3m", SOURCE, self.folder, self.report, limits, self.executable)
        report: dict[str, Any] = json.loads(self.report.read_text())
        return report

    def refusal(self, **settings: Any) -> str:
        """The message of a crawl that fails."""
        with pytest.raises(ClipnError) as caught:
            self.crawl(**settings)
        assert "\n" not in str(caught.value)
        assert not self.report.exists()
        return str(caught.value)

    def fetched(self) -> list[list[int]]:
        """Positions in the list of addresses that every call asked for."""
        return [[row - FIRST_ROW for row in call] for call in crawler.fetched(self.executable)]

    def images(self) -> dict[int, bytes]:
        """Images by their position in the list, read where `images.parquet` says."""
        return {
            entry["row"] - FIRST_ROW: (self.folder / entry["file"]).read_bytes()[entry["offset"] :][: entry["size"]]
            for entry in pq.read_table(self.folder / "images.parquet").to_pylist()
        }


def write_captions(path: Path, urls: Sequence[str]) -> Path:
    """Captions of `urls` after one of another source and one without address."""
    rows = [("flickr", 0, "0.jpg", None, "a"), ("cc3m", 99, "cc3m/000000099.jpg", None, "b")]
    for row, url in enumerate(urls, FIRST_ROW):
        rows.append(("cc3m", row, f"cc3m/{row:09d}.jpg", url, f"caption {row}"))
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    table = pa.table(columns, names=["source", "row", "image", "url", "caption"])
    keys = pa.array([f"{number:09d}" for number in range(len(rows))])
    pq.write_table(table.add_column(0, "key", keys), path)
    return path


def work_in(folder: Path, urls: Sequence[str] = URLS) -> Work:
    """A crawl of `urls` by the stand-in, not yet started."""
    folder.mkdir(exist_ok=True)
    captions = write_captions(folder / "captions.parquet", urls)
    return Work(captions, folder / "work", folder / "report.json", crawler.install(folder))
