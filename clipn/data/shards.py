"""Images with their captions in WebDataset shards: written with one hash per content, read in one order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from clipn.data.archives import read_members, write_archive
from clipn.data.readers import Image
from clipn.data.registry import CaptionSource
from clipn.errors import ClipnError
from clipn.files import read_json, require, write_json
from clipn.progress import tracked


@dataclass(frozen=True)
class Sample:
    """One image with its caption."""

    key: str
    image: Image
    caption: str


def build_shards(
    captions: Path,
    sources: Mapping[str, CaptionSource],
    folders: Mapping[str, Path],
    shards: Sequence[Path],
    index: Path,
) -> None:
    """Join captions with their images and write them, sorted by key, as `shards` of nearly equal size.

    Args:
        captions: Parquet of `prepare_captions`.
        sources: caption sources by name.
        folders: where each source's archives lie.
        shards: tar files to write.
        index: JSON to write: samples per shard, and how many captions lack their image.

    Raises:
        ClipnError: a caption's source is not named, no caption has an image, or there are fewer samples than shards.
    """
    table = pd.read_parquet(require(captions))
    if strange := set(table["source"]) - set(sources):
        raise ClipnError(f"{captions}: holds captions of {min(strange)!r}; name it as a source or make them again")
    images = {name: _images(source, folders[name], table) for name, source in sources.items()}
    samples = [
        Sample(key, Image(key, -1, images[source][image]), caption)
        for key, source, image, caption in tracked(table.itertuples(index=False), len(table), "shards", "samples")
        if image in images[source]
    ]
    if len(samples) < len(shards):
        raise ClipnError(f"{captions}: {len(samples)} captions have an image, too few for {len(shards)} shards")
    bounds = [len(samples) * number // len(shards) for number in range(len(shards) + 1)]
    for shard, start, stop in zip(shards, bounds[:-1], bounds[1:], strict=True):
        write_archive(shard, _members(samples[start:stop]))
    counts = {shard.name: stop - start for shard, start, stop in zip(shards, bounds[:-1], bounds[1:], strict=True)}
    write_json(index, {"samples": len(samples), "without_image": len(table) - len(samples), "shards": counts})


def read_samples(shards: Sequence[Path]) -> Iterator[Sample]:
    """Samples of all shards in order.

    Raises:
        ClipnError: a shard is missing or damaged, or a sample lacks its image or caption.
    """
    for shard in shards:
        parts: dict[str, dict[str, bytes]] = {}
        for name, content in read_members(shard, lambda name: True):
            path = PurePosixPath(name)
            sample = parts.setdefault(path.stem, {})
            sample["caption" if path.suffix == ".txt" else "image"] = content
            if len(sample) == 2:
                yield Sample(path.stem, Image(path.stem, -1, sample["image"]), sample["caption"].decode())
                del parts[path.stem]
        if parts:
            raise ClipnError(f"{shard}: sample {next(iter(parts))} lacks its image or caption; build the shards again")


def count_samples(index: Path) -> int:
    """Number of samples in the shards of an index."""
    return int(read_json(index)["samples"])


def _images(source: CaptionSource, folder: Path, captions: pd.DataFrame) -> dict[str, bytes]:
    wanted = frozenset(captions["image"])
    return dict(read_members(folder / source.images.file, wanted.__contains__))


def _members(samples: Sequence[Sample]) -> Iterator[tuple[str, bytes]]:
    for sample in samples:
        yield f"{sample.key}.jpg", sample.image.content
        yield f"{sample.key}.txt", sample.caption.encode()
