"""Where the captions and images of a source are looked for."""

from pathlib import Path

from clipn.data.location import source_folders
from clipn.data.registry import Archive, CaptionSource

SOURCES = {
    "crawled": CaptionSource(title="C", reader="cc3m", captions=Archive(file="c.tsv")),
    "packed": CaptionSource(title="P", reader="cc3m", captions=Archive(file="c.tsv"), images=[Archive(file="i.tar")]),
    "own": CaptionSource(title="O", reader="table", folder="mine"),
}


def test_captions_lie_with_the_archives_or_in_the_sources_own_folder() -> None:
    found = source_folders(SOURCES, Path("archives"), Path("base"))
    assert found == {"crawled": Path("archives/crawled"), "packed": Path("archives/packed"), "own": Path("base/mine")}


def test_images_that_are_in_no_archive_lie_in_the_crawl() -> None:
    found = source_folders(SOURCES, Path("archives"), Path("base"), Path("crawl"))
    assert found == {"crawled": Path("crawl/crawled"), "packed": Path("archives/packed"), "own": Path("base/mine")}
