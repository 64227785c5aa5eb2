"""Commands on the road from captions to shards."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import Archives, Output, RegistryFile, options_from
from clipn.data.settings import CaptionPreparation, Crawl

Captions = Annotated[Path, typer.Option(help="Parquet of `clipn captions`")]
CrawlFolder = Annotated[Path, typer.Option("--crawl", help="folder with one crawl per source")]


@options_from(CaptionPreparation)
def captions(
    names: Annotated[list[str], typer.Argument(help="caption sources")],
    registry: RegistryFile,
    archives: Archives,
    output: Output,
    statistics: Annotated[
        Path, typer.Option(help="JSON to write: what was repaired, counted and dropped", writable=True)
    ],
    settings: CaptionPreparation,
) -> None:
    """Bring captions to Parquet: key, source, row, image, url, caption, tokens."""
    from clipn.data.captions import prepare_captions
    from clipn.data.location import source_folders
    from clipn.data.registry import load_registry

    sources = load_registry(registry).caption_sources(names)
    prepare_captions(sources, source_folders(sources, archives, registry.parent), settings, output, statistics)


@options_from(Crawl)
def crawl(
    source: Annotated[str, typer.Argument(help="caption source")],
    captions: Captions,
    registry: RegistryFile,
    crawl: CrawlFolder,
    report: Annotated[Path, typer.Option(help="JSON to write: what was got, and why the rest was not", writable=True)],
    settings: Crawl,
    img2dataset: Annotated[Path, typer.Option(help="the crawler; `make crawler` installs it")] = Path(
        ".crawler/bin/img2dataset"
    ),
) -> None:
    """Fetch the images of captions from their addresses; run it again to resume after an interruption."""
    from clipn.data.crawl import crawl_images
    from clipn.data.registry import load_registry

    record = load_registry(registry).caption_sources([source])[source]
    crawl_images(captions, source, record, crawl / source, report, settings, img2dataset)


def shards(
    shards: Annotated[list[Path], typer.Argument(help="tar files to write, in order", writable=True)],
    captions: Captions,
    source: Annotated[list[str], typer.Option(help="caption source; repeat")],
    registry: RegistryFile,
    archives: Archives,
    index: Annotated[Path, typer.Option(help="index of the shards, to write", writable=True)],
    statistics: Annotated[Path, typer.Option(help="JSON to write: samples, captions without an image", writable=True)],
    crawl: CrawlFolder = Path("work/crawl"),
) -> None:
    """Build WebDataset shards of captions with their images: sorted by key, one hash for one content."""
    from clipn.data.location import source_folders
    from clipn.data.registry import load_registry
    from clipn.data.shards.build import build_shards

    sources = load_registry(registry).caption_sources(source)
    folders = source_folders(sources, archives, registry.parent, crawl)
    build_shards(captions, sources, folders, shards, index, statistics)
