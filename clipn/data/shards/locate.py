"""Where the images of captions lie: found without reading an image, in a few bytes per caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clipn.data.archives import member_offsets
from clipn.data.archives.members import safe_name
from clipn.data.crawl.shards import IMAGES
from clipn.data.readers.selection import is_image
from clipn.data.registry import CaptionSource
from clipn.errors import ClipnError
from clipn.files import require
from clipn.iteration import batched
from clipn.progress import tracked

MEMBERS_AT_ONCE = 10_000
"""Members of an archive that are Python objects at a time."""


@dataclass(frozen=True)
class ImageIndex:
    """The image of every caption of a source.

    Attributes:
        files: files that hold the images.
        file: number of the file, int32 (n,).
        offset: where the image starts in it, in bytes, int64 (n,).
        size: bytes of the image, int64 (n,); 0: there is no image.
    """

    files: Sequence[Path]
    file: NDArray[np.int32]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]


def locate_images(source: CaptionSource, folder: Path, captions: pa.Table) -> ImageIndex:
    """Find the image of every caption of a source, without reading any.

    Args:
        source: the record.
        folder: where its archives lie, or its crawl, or its folder of images.
        captions: columns `image` and `row`, one row per caption.

    Raises:
        ClipnError: an archive is missing, damaged or compressed, or two members of them have one name; the crawl
            did not finish.
    """
    if source.is_crawled:
        held = pq.read_table(require(folder / IMAGES), columns=["row", "file", "offset", "size"])
        names = pc.unique(held["file"])
        numbered = held.set_column(1, "file", pc.index_in(held["file"], value_set=names))
        found = pc.index_in(captions["row"], value_set=held["row"])
        return _taken([folder / name for name in names.to_pylist()], numbered, found)
    if source.folder is not None:
        return _in_folder(folder, captions["image"].combine_chunks())
    return _in_archives(source, folder, captions["image"])


class _FolderFiles(Sequence[Path]):
    """Paths of many files of a folder, made when asked for, since a `Path` takes more memory than its name."""

    def __init__(self, folder: Path, names: pa.Array) -> None:
        self.folder = folder
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        return self.folder / self.names[number].as_py()


def _in_archives(source: CaptionSource, folder: Path, images: pa.ChunkedArray) -> ImageIndex:
    files = [folder / archive.file for archive in source.images]
    # Keys of WebDataset shards are only unique within a shard.
    within = [f"{file.name}/" if source.reader == "webdataset" else "" for file in files]
    parts = []
    for number, file in enumerate(tracked(files, len(files), "find images", "archives")):
        members = (member for member in member_offsets(file) if is_image(member[0]))
        # A million members take far more memory as Python objects than as Arrow arrays.
        for part in batched(members, MEMBERS_AT_ONCE):
            names, offsets, sizes = zip(*part, strict=True)
            columns = [[within[number] + name for name in names], [number] * len(part), offsets, sizes]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, _HELD.types, strict=True)]
            parts.append(pa.record_batch(arrays, schema=_HELD))
    held = pa.Table.from_batches(parts, _HELD)
    if pc.count_distinct(held["name"]).as_py() < len(held):
        counts = pc.value_counts(held["name"])
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"]
        raise ClipnError(f"{repeated}: is in {folder} twice; leave one of the archives out")
    return _taken(files, held, pc.index_in(images, value_set=held["name"]))


_HELD = pa.schema({"name": pa.string(), "file": pa.int32(), "offset": pa.int64(), "size": pa.int64()})


def _in_folder(folder: Path, images: pa.Array) -> ImageIndex:
    names = pc.unique(images)
    files = _FolderFiles(folder, names)
    root = folder.resolve()
    sizes = []
    for name in names.to_pylist():
        path = root / safe_name(root, name)
        is_here = path.is_file()
        # A table is somebody's text: it must not put any file of this machine into shards, links included.
        if is_here and not (is_image(name) and path.resolve().is_relative_to(root)):
            raise ClipnError(f"{root}: {name!r} is no image of this folder; correct its table")
        sizes.append(path.stat().st_size if is_here else 0)
    numbers = np.arange(len(names))
    held = pa.table({"file": numbers, "offset": np.zeros_like(numbers), "size": pa.array(sizes, pa.int64())})
    return _taken(files, held, pc.index_in(images, value_set=names))


def _taken(files: Sequence[Path], held: pa.Table, found: pa.ChunkedArray | pa.Array) -> ImageIndex:
    """The images (n,) at the rows `found` of `held`; null in `found`: there is no image."""
    file, offset, size = (
        pc.fill_null(held[name].take(found), 0).to_numpy().astype(kind, copy=False)
        for name, kind in (("file", np.int32), ("offset", np.int64), ("size", np.int64))
    )
    return ImageIndex(files, file, offset, size)
