"""Rows per second and memory of the steps from a list of addresses to caption features, on generated captions.

Each step runs in a process of its own, with a quarter of the rows and with all of them: how much more memory that takes
says what a row takes. Images are tiny, and the text tower is, so that rows and not pixels are measured.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.captions import measured
from clipn.data.registry import Archive, CaptionSource

WORDS = (6, 16)
"""Words of a generated caption, at least and below."""
VOCABULARY = 20_000
ALIVE = 0.7
"""Share of the addresses that bring an image."""
SHARDS = 20
MEBI = 2**20
SOURCES = {"cc12m": CaptionSource(title="CC12M", reader="cc12m", captions=Archive(file="cc12m.tsv"))}


def prepare(folder: Path, _: int) -> float:
    """Seconds of the preparation of the captions, imports included; so in what follows."""
    start = time.perf_counter()
    from clipn.data.captions import prepare_captions
    from clipn.data.settings import CaptionPreparation

    files = folder / "captions.parquet", folder / "captions.json"
    prepare_captions(SOURCES, {"cc12m": folder}, CaptionPreparation(duplicates="drop"), *files)
    return time.perf_counter() - start


def shards(folder: Path, _: int) -> float:
    """Seconds of building shards out of a crawl."""
    start = time.perf_counter()
    from clipn.data.shards.build import build_shards

    paths = [folder / f"{number:05d}.tar" for number in range(SHARDS)]
    files = folder / "index.parquet", folder / "shards.json"
    build_shards(folder / "captions.parquet", SOURCES, {"cc12m": folder}, paths, *files)
    return time.perf_counter() - start


def features(folder: Path, _: int) -> float:
    """Seconds of the features of the captions, with a text tower of one narrow layer and 512 outputs."""
    start = time.perf_counter()
    import open_clip

    from clipn.features.captions import cache_caption_features
    from clipn.model.backbone import save_backbone

    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    architecture = {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 16},
        "text_cfg": text,
    }
    save_backbone(folder / "backbone.safetensors", open_clip.CLIP(**architecture), architecture, "narrow")
    output = folder / "features.safetensors"
    cache_caption_features(folder / "backbone.safetensors", folder / "index.parquet", output)
    output.unlink()
    return time.perf_counter() - start


def write_captions(folder: Path, rows: int) -> float:
    """Write a list as CC12M's, and what a crawl of it leaves."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from clipn.data.archives import member_offsets, write_archive
    from clipn.data.crawl.shards import IMAGE_COLUMNS, IMAGES

    draw = np.random.default_rng(0)
    words = np.array(["".join(map(chr, letters)) for letters in draw.integers(97, 123, (VOCABULARY, 6))])
    with (folder / "cc12m.tsv").open("w", encoding="utf-8") as stream:
        for row in range(rows):
            caption = " ".join(words[draw.integers(VOCABULARY, size=draw.integers(*WORDS))])
            stream.write(f"https://images.example.org/photographs/{row:012d}/of-some-thing-{row}.jpg\t{caption}\n")
    pixels = Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    pixels.save(jpeg := io.BytesIO(), "JPEG")
    alive = np.flatnonzero(draw.random(rows) < ALIVE)
    members: Iterator[tuple[str, bytes]] = ((f"{row:09d}.jpg", jpeg.getvalue()) for row in alive)
    write_archive(folder / "crawl.tar", members)
    offsets = [offset for _, offset, _ in member_offsets(folder / "crawl.tar")]
    n, size = len(alive), len(jpeg.getvalue())
    columns = [alive, ["crawl.tar"] * n, offsets, [size] * n, ["0" * 64] * n]
    pq.write_table(pa.table(columns, schema=IMAGE_COLUMNS), folder / IMAGES)
    return 0.0


def main(rows: Annotated[int, typer.Option(help="captions to generate")] = 400_000) -> None:
    """Print a table."""
    steps: dict[str, Callable[[Path, int], float]] = {
        "prepare captions": prepare,
        "build shards": shards,
        "caption features": features,
    }
    costs = []
    for number in (rows // 4, rows):
        with tempfile.TemporaryDirectory() as name:
            measured(write_captions, Path(name), number)
            costs.append([measured(step, Path(name), number) for step in steps.values()])
    print(f"| step | {rows // 4:,} rows | {rows:,} rows | rows/s | bytes per further row |\n|---|---:|---:|---:|---:|")
    for step, few, many in zip(steps, *costs, strict=True):
        growth = (many.peak - few.peak) / (rows - rows // 4)
        sizes = f"{few.peak / MEBI:,.0f} MiB | {many.peak / MEBI:,.0f} MiB"
        print(f"| {step} | {sizes} | {rows / many.seconds:,.0f} | {growth:,.0f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
