"""Images with their captions in WebDataset shards: written with one hash per content, read in any order."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clipn.data.archives import member_places, read_members, write_archive
from clipn.data.readers import Image
from clipn.data.registry import CaptionSource
from clipn.errors import ClipnError
from clipn.files import atomic, file_hash, require, write_json
from clipn.progress import tracked

T = TypeVar("T")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
INDEX_COLUMNS = ["key", "caption", "shard", "offset", "size"]


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
    statistics: Path,
) -> None:
    """Join captions with their images and write them, sorted by key, as `shards` of nearly equal size.

    Args:
        captions: Parquet of `prepare_captions`.
        sources: caption sources by name.
        folders: where each source's archives lie.
        shards: tar files to write.
        index: Parquet to write, see `index_shards`.
        statistics: JSON to write: samples, samples per shard, and how many captions lack their image.

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
    index_shards(shards, index)
    write_json(statistics, {"samples": len(samples), "without_image": len(table) - len(samples), "shards": counts})


def read_samples(shards: Sequence[Path]) -> Iterator[Sample]:
    """Samples of all shards in order.

    Raises:
        ClipnError: a shard is missing or damaged, or a sample lacks its image or caption.
    """
    for shard in shards:
        for key, parts in _samples(shard, read_members(shard, _is_part)):
            yield Sample(key, Image(key, -1, parts["image"]), _decoded(parts["caption"], shard, key))


def index_shards(shards: Sequence[Path], output: Path) -> None:
    """Write where every sample of `shards` lies, so that images can be read in any order.

    Args:
        shards: tar files with an image and a `.txt` caption per key, ours or img2dataset's.
        output: Parquet, one row per sample: key, caption, shard, offset and size of the image. Its metadata hold
            the sha256 of every shard, so the index's own hash stands for all of the data.

    Raises:
        ClipnError: a shard is missing, damaged or compressed, or a sample lacks its image or caption.
    """
    names = [shard.name for shard in shards]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ClipnError(f"{min(repeated)}: names several shards, so they cannot be told apart; rename them")
    rows = []
    for shard in tracked(shards, len(shards), "index", "shards"):
        texts = read_members(shard, lambda name: name.endswith(".txt"))
        captions = {name: _decoded(content, shard, name) for name, content in texts}
        places = ((name, (name, offset, size)) for name, offset, size in member_places(shard) if _is_part(name))
        for key, parts in _samples(shard, places):
            _, offset, size = parts["image"]
            rows.append((key, captions[parts["caption"][0]], shard.name, offset, size))
    if not rows:
        raise ClipnError(f"{', '.join(names)}: hold no sample; build the shards again")
    table = pa.Table.from_pandas(pd.DataFrame(rows, columns=INDEX_COLUMNS), preserve_index=False)
    hashes = {shard.name: file_hash(shard) for shard in shards}
    with atomic(output) as temporary:
        pq.write_table(table.replace_schema_metadata({"sha256": json.dumps(hashes)}), temporary, compression="zstd")


def count_samples(index: Path) -> int:
    """Number of samples in the shards of an index."""
    return int(pq.read_metadata(require(index)).num_rows)


def read_captions_of(index: Path) -> list[str]:
    """Captions of all samples, in the order of the index."""
    captions: list[str] = pq.read_table(require(index), columns=["caption"])["caption"].to_pylist()
    return captions


class ShardImages:
    """Images of shards in any order, by their row in the index.

    Args:
        index: Parquet of `index_shards`.
        shards: the tar files, wherever they lie now.

    Raises:
        ClipnError: a shard of the index is not among `shards`.
    """

    def __init__(self, index: Path, shards: Sequence[Path]) -> None:
        table = pq.read_table(require(index), columns=["shard", "offset", "size"]).to_pandas()
        paths = {shard.name: shard for shard in shards}
        names = list(dict.fromkeys(table["shard"]))
        if missing := [name for name in names if name not in paths]:
            raise ClipnError(f"{index}: lists shard {missing[0]}, which was not given; name all shards")
        self._paths = [paths[name] for name in names]
        self._shard = table["shard"].map({name: number for number, name in enumerate(names)}).to_numpy()
        self._offset, self._size = table["offset"].to_numpy(), table["size"].to_numpy()
        self._open: dict[int, IO[bytes]] = {}

    def __len__(self) -> int:
        return len(self._shard)

    def __getstate__(self) -> dict[str, Any]:
        """Files are opened anew in another process."""
        return {**self.__dict__, "_open": {}}

    def __getitem__(self, row: int) -> Image:
        """The image of one sample.

        Raises:
            ClipnError: its shard is shorter than the index says.
        """
        shard, size = int(self._shard[row]), int(self._size[row])
        if shard not in self._open:
            self._open[shard] = require(self._paths[shard]).open("rb")
        content = os.pread(self._open[shard].fileno(), size, int(self._offset[row]))
        if len(content) < size:
            raise ClipnError(f"{self._paths[shard]}: ends before sample {row}; build the shards again")
        return Image(f"{self._paths[shard].name}#{row}", -1, content)


def _decoded(caption: bytes, shard: Path, name: str) -> str:
    try:
        return caption.decode()
    except UnicodeDecodeError as error:
        raise ClipnError(f"{shard}: the caption of {name} is not UTF-8; build the shards again") from error


def _is_part(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in (".txt", *IMAGE_SUFFIXES)


def _samples(shard: Path, members: Iterable[tuple[str, T]]) -> Iterator[tuple[str, dict[str, T]]]:
    """Members, two of a key, as (key, {"image": ..., "caption": ...})."""
    waiting: dict[str, dict[str, T]] = {}
    for name, content in members:
        path = PurePosixPath(name)
        parts = waiting.setdefault(path.stem, {})
        parts["caption" if path.suffix == ".txt" else "image"] = content
        if len(parts) == 2:
            yield path.stem, waiting.pop(path.stem)
    if waiting:
        raise ClipnError(f"{shard}: sample {next(iter(waiting))} lacks its image or caption; build the shards again")


def _images(source: CaptionSource, folder: Path, captions: pd.DataFrame) -> dict[str, bytes]:
    wanted = frozenset(captions["image"])
    return dict(read_members(folder / source.images[0].file, wanted.__contains__))


def _members(samples: Sequence[Sample]) -> Iterator[tuple[str, bytes]]:
    for sample in samples:
        yield f"{sample.key}.jpg", sample.image.content
        yield f"{sample.key}.txt", sample.caption.encode()
