"""WebDataset shards, ours or img2dataset's: read as a stream, indexed, and read in any order by their index."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from clipn.data.archives import member_offsets, read_members
from clipn.data.readers import IMAGE_SUFFIXES, Image
from clipn.data.shards.open_files import OpenFiles
from clipn.errors import ClipnError
from clipn.files import atomic, file_hash, require
from clipn.progress import tracked
from clipn.text.tokenizer import tokenize

T = TypeVar("T")
INDEX_COLUMNS = ["key", "caption", "tokens", "shard", "offset", "size"]


@dataclass(frozen=True)
class Sample:
    """One image with its caption."""

    key: str
    image: Image
    caption: str


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
        output: Parquet, one row per sample: key, caption, its tokens (see `clipn.text.tokenizer`), shard, offset and
            size of the image. Its metadata hold the sha256 of every shard, so the index's own hash stands for all of
            the data.

    Raises:
        ClipnError: a shard is missing, damaged or compressed, or a sample lacks its image or caption.
    """
    names = [shard.name for shard in shards]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ClipnError(f"{min(repeated)}: names several shards, so they cannot be told apart; rename them")
    table = pa.concat_tables([_indexed(shard) for shard in tracked(shards, len(shards), "index", "shards")])
    if not len(table):
        raise ClipnError(f"{', '.join(names)}: hold no sample; build the shards again")
    # By name and not by path, so that the index stays the same where the shards are moved.
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


def read_tokens_of(index: Path) -> pa.ListArray:
    """Tokens of all captions (see `clipn.text.tokenizer`), in the order of the index."""
    return pq.read_table(require(index), columns=["tokens"])["tokens"].combine_chunks()


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
        self._files = OpenFiles([paths[name] for name in names])
        self._shard = table["shard"].map({name: number for number, name in enumerate(names)}).to_numpy()
        self._offset, self._size = table["offset"].to_numpy(), table["size"].to_numpy()

    def __len__(self) -> int:
        return len(self._shard)

    def __getitem__(self, row: int) -> Image:
        """The image of one sample.

        Raises:
            ClipnError: its shard is shorter than the index says.
        """
        shard, size = int(self._shard[row]), int(self._size[row])
        content = self._files.read(shard, int(self._offset[row]), size)
        path = self._files.paths[shard]
        if len(content) < size:
            raise ClipnError(f"{path}: ends before sample {row}; build the shards again")
        return Image(f"{path.name}#{row}", -1, content)


def _indexed(shard: Path) -> pa.Table:
    """Rows of the index for one shard, captions read where they lie."""
    parts_of = [(name, (offset, size)) for name, offset, size in member_offsets(shard) if _is_part(name)]
    content = OpenFiles([shard])
    rows = [
        (key, _decoded(content.read(0, *parts["caption"]), shard, key), *parts["image"])
        for key, parts in _samples(shard, parts_of)
    ]
    keys, captions, offsets, sizes = zip(*rows, strict=True) if rows else ((), (), (), ())
    texts = pa.array(captions, pa.string())
    columns: list[Any] = [
        pa.array(keys, pa.string()), texts, tokenize(texts), pa.array([shard.name] * len(rows), pa.string()),
        pa.array(offsets, pa.int64()), pa.array(sizes, pa.int64()),
    ]  # fmt: skip
    return pa.table(columns, names=INDEX_COLUMNS)


def _decoded(caption: bytes, shard: Path, key: str) -> str:
    try:
        return caption.decode()
    except UnicodeDecodeError as error:
        raise ClipnError(f"{shard}: the caption of {key} is not UTF-8; build the shards again") from error


def _is_part(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in {".txt", *IMAGE_SUFFIXES}


def _samples(shard: Path, members: Iterable[tuple[str, T]]) -> Iterator[tuple[str, dict[str, T]]]:
    """Members, two of a key, as (key, {"image": ..., "caption": ...})."""
    # Writers other than ours need not put the two files of a sample next to each other.
    waiting: dict[str, dict[str, T]] = {}
    for name, content in members:
        path = PurePosixPath(name)
        parts = waiting.setdefault(path.stem, {})
        part = "caption" if path.suffix.lower() == ".txt" else "image"
        if part in parts:
            raise ClipnError(f"{shard}: sample {path.stem} has more than one {part}; build the shards again")
        parts[part] = content
        if len(parts) == 2:
            yield path.stem, waiting.pop(path.stem)
    if waiting:
        raise ClipnError(f"{shard}: sample {next(iter(waiting))} lacks its image or caption; build the shards again")
