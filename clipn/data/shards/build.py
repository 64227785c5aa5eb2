"""Build WebDataset shards of captions and their images: the same content has the same bytes, wherever images lay."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clipn.data.archives import write_archive
from clipn.data.readers import Image
from clipn.data.readers.shrink import shrunk_jpeg
from clipn.data.registry import CaptionSource, Shrink
from clipn.data.shards import index_shards
from clipn.data.shards.locate import locate_images
from clipn.data.shards.open_files import OpenFiles
from clipn.errors import ClipnError
from clipn.files import require, write_json
from clipn.iteration import in_threads
from clipn.progress import tracked

Members = list[tuple[str, bytes]]
SUFFIXES = {".jpeg": ".jpg"}
"""Suffixes that are written in another way in shards."""


def build_shards(
    captions: Path,
    sources: Mapping[str, CaptionSource],
    folders: Mapping[str, Path],
    shards: Sequence[Path],
    index: Path,
    statistics: Path,
) -> None:
    """Join captions with their images and write them, sorted by key, as `shards` of nearly equal size.

    An image is read and decoded when it is written, so memory does not grow with the images; one that is damaged is
    left out and counted.

    Args:
        captions: Parquet of `prepare_captions`, sorted by key.
        sources: caption sources by name.
        folders: where each source's archives lie, or its crawl, or its folder of images.
        shards: tar files to write.
        index: Parquet to write, see `index_shards`.
        statistics: JSON to write: samples, captions without image, damaged images, samples per shard; per source its
            captions, how many of them became samples, and their share of what the paper trained on.

    Raises:
        ClipnError: a caption's source is not named, fewer captions than shards have an image, or an image cannot be
            read.
    """
    joined = _join(captions, sources, folders)
    total = int(np.count_nonzero(joined.size))
    if total < len(shards):
        raise ClipnError(f"{captions}: {total} captions have an image, too few for {len(shards)} shards")
    # By rows, not by samples that decode: the parts are fixed before any image is read.
    bounds = [total * number // len(shards) for number in range(1, len(shards))]
    parts = np.split(np.flatnonzero(joined.size), bounds)
    samples = tracked(_undamaged(captions, joined), total, "shards", "samples")
    for shard, part in zip(shards, parts, strict=True):
        write_archive(shard, (member for sample in islice(samples, len(part)) for member in sample))
    index_shards(shards, index)
    # Writing has set the size of damaged images to 0.
    counts = {shard.name: int(np.count_nonzero(joined.size[part])) for shard, part in zip(shards, parts, strict=True)}
    held = int(np.count_nonzero(joined.size))
    record = {"samples": held, "without_image": len(joined.size) - total, "damaged": total - held, "shards": counts}
    write_json(statistics, record | {"sources": _source_statistics(sources, joined)})


@dataclass(frozen=True)
class _Joined:
    """Every caption's source, by number, and where its image lies; arrays (n,) as in `ImageIndex`.

    Files are of each source, as is how its images are shrunk.
    """

    files: list[OpenFiles]
    shrink: list[Shrink | None]
    source: NDArray[np.int32]
    file: NDArray[np.int32]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]


def _join(captions: Path, sources: Mapping[str, CaptionSource], folders: Mapping[str, Path]) -> _Joined:
    table = pq.read_table(require(captions), columns=["source", "image", "row"])
    numbers = pc.index_in(table["source"], value_set=pa.array(list(sources), pa.string()))
    if numbers.null_count:
        strange = pc.min(table["source"].filter(pc.is_null(numbers))).as_py()
        raise ClipnError(f"{captions}: holds captions of {strange!r}; name it as a source or make them again")
    n = len(table)
    shrink = [source.shrink for source in sources.values()]
    file, offset, size = np.zeros(n, np.int32), np.zeros(n, np.int64), np.zeros(n, np.int64)
    joined = _Joined([], shrink, numbers.to_numpy(), file, offset, size)
    for number, (name, source) in enumerate(sources.items()):
        of_source = joined.source == number
        index = locate_images(source, folders[name], table.filter(pa.array(of_source)))
        joined.files.append(OpenFiles(index.files))
        joined.file[of_source] = index.file
        joined.offset[of_source] = index.offset
        joined.size[of_source] = index.size
    return joined


def _undamaged(captions: Path, joined: _Joined) -> Iterator[Members]:
    """The members of every sample; none, and its size set to 0, for one whose image does not decode."""
    for row, members in in_threads(_checked, _samples(captions, joined)):
        joined.size[row] = joined.size[row] if members else 0
        yield members


def _checked(sample: tuple[int, Members, Shrink | None]) -> tuple[int, Members]:
    """Row and members, the image shrunk where its source says so; no members where it does not decode."""
    row, members, shrink = sample
    (name, content), caption = members
    image = Image(name, -1, content)
    try:
        if shrink is None:
            image.measure()
            return row, members
        return row, [(f"{PurePosixPath(name).stem}.jpg", shrunk_jpeg(image.open(), shrink)), caption]
    except ClipnError:
        return row, []


def _samples(captions: Path, joined: _Joined) -> Iterator[tuple[int, Members, Shrink | None]]:
    """Row, two members and how to shrink the first, for every sample, in the order of the captions."""
    start = 0
    for batch in pq.ParquetFile(captions).iter_batches(columns=["key", "image", "caption"]):
        columns = (batch[name].to_pylist() for name in ("key", "image", "caption"))
        for row, (key, image, caption) in enumerate(zip(*columns, strict=True), start):
            file, offset, size = int(joined.file[row]), int(joined.offset[row]), int(joined.size[row])
            if not size:
                continue
            source = int(joined.source[row])
            files = joined.files[source]
            content = files.read(file, offset, size)
            if len(content) < size:
                raise ClipnError(f"{files.paths[file]}: changed while it was read; run again")
            suffix = PurePosixPath(image).suffix.lower()
            members = [(f"{key}{SUFFIXES.get(suffix, suffix)}", content), (f"{key}.txt", caption.encode())]
            yield row, members, joined.shrink[source]
        start += len(batch)


def _source_statistics(sources: Mapping[str, CaptionSource], joined: _Joined) -> dict[str, Any]:
    statistics: dict[str, Any] = {}
    for number, (name, source) in enumerate(sources.items()):
        sizes = joined.size[joined.source == number]
        held = int(np.count_nonzero(sizes))
        statistics[name] = {"captions": len(sizes), "with_image": held}
        if source.trained_on:
            statistics[name] |= {"trained_on": source.trained_on, "share": round(held / source.trained_on, 6)}
    return statistics
