"""Small shards made by `build_shards`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from clipn.data.archives import write_archive
from clipn.data.registry import Archive, CaptionSource
from clipn.data.shards import Sample
from clipn.data.shards.build import build_shards
from tests.helpers.crawler import PIXEL

SOURCE = CaptionSource(title="T", reader="cc3m", captions=Archive(file="c.tsv"), images=[Archive(file="i.tar")])
SAMPLES = 10
SHARD_OF = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
"""Shard of every sample, of three."""
Row = tuple[str, str, str]


def picture(name: str) -> bytes:
    """An image of one pixel that is like no other."""
    return PIXEL + name.encode()


class Built(NamedTuple):
    """What `build_shards` wrote."""

    shards: list[Path]
    index: Path
    statistics: Path


def caption_rows(number: int = SAMPLES) -> list[Row]:
    """(source, image, caption); no two alike."""
    return [("cc3m", f"{row}.jpg", f"caption {row} é") for row in range(number)]


def write_captions(path: Path, rows: Sequence[Row]) -> Path:
    """A caption file of `rows`, whose rows in their source are theirs here."""
    table = pd.DataFrame(rows, columns=["source", "image", "caption"])
    table.insert(0, "key", [f"{number:09d}" for number in range(len(rows))])
    table.assign(row=range(len(rows)), url=None).to_parquet(path)
    return path


def build_from(folder: Path, captions: Path, sources: dict[str, CaptionSource], shards: int = 3) -> Built:
    """Shards in `folder` of sources that all lie in it."""
    built = Built(
        [folder / f"{number}.tar" for number in range(shards)], folder / "index.parquet", folder / "shards.json"
    )
    build_shards(captions, sources, dict.fromkeys(sources, folder), *built)
    return built


def build(
    folder: Path,
    rows: Sequence[Row],
    shards: int = 3,
    images: Sequence[str] | None = None,
    sources: Sequence[str] = ("cc3m",),
) -> Built:
    """Shards of `rows`, of which those in `images` (default: all) have an image."""
    held = sorted({image for _, image, _ in rows} if images is None else images, reverse=True)
    write_archive(folder / "i.tar", [(name, picture(name)) for name in held])
    return build_from(folder, write_captions(folder / "captions.parquet", rows), dict.fromkeys(sources, SOURCE), shards)


def contents(samples: Sequence[Sample]) -> list[tuple[str, bytes, str]]:
    """Key, image and caption of every sample."""
    return [(sample.key, sample.image.content, sample.caption) for sample in samples]
