"""Captions of one source in the order of the source, from whatever file or archive holds them."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from clipn.data.archives import member_names, read_members
from clipn.data.readers import selected_paths
from clipn.data.readers.selection import image_filter, is_image
from clipn.data.registry import CaptionSource, Selection
from clipn.errors import ClipnError
from clipn.files import named, require
from clipn.iteration import batched
from clipn.progress import warn
from clipn.text.prompts import imagenet_classnames, prompt_pool
from clipn.text.wider_names import wider_names

NUMBERED_IMAGE = "{}/{:09d}.jpg"
"""Name of an image that has an address, by reader and caption's row; addresses are not unique once cut to a path."""
WORDNET_ID = re.compile(r"n\d{8}")
TABLES = (".tsv", ".csv", ".parquet")
SCHEMA = pa.schema([("image", pa.string()), ("url", pa.string()), ("caption", pa.string())])
BLOCK = 1 << 23
"""Bytes of a caption file read at once."""
ROWS = 1 << 16
"""Captions handed on at once where they are read one by one."""

NAMED = 3
"""Names of what is left out that a line holds."""

Row = tuple[str, str]
"""Image and caption, without an address."""


def read_captions(source: CaptionSource, folder: Path) -> Iterator[pa.RecordBatch]:
    """Captions as they are written in the source, with their images' paths and, where there are any, addresses.

    Args:
        source: its record.
        folder: where its archives lie; for reader `table`, the folder of images itself.

    Returns:
        Batches of `SCHEMA`, of bounded size.

    Raises:
        ClipnError: a file is missing or damaged, or not laid out as `source.reader` says.
    """
    if source.reader in BLOCK_READERS:
        yield from BLOCK_READERS[source.reader](source, folder)
        return
    for part in batched(ROW_READERS[source.reader](source, folder), ROWS):
        images, captions = zip(*part, strict=True)
        yield pa.record_batch([pa.array(images), pa.nulls(len(part), pa.string()), pa.array(captions)], schema=SCHEMA)


def caption_file(source: CaptionSource, folder: Path) -> Path:
    """What a person should look at when captions are missing."""
    return folder / source.archives[0].file if source.archives else folder


# Lines of two fields


def _tab_separated(path: Path, stream: IO[bytes]) -> Iterator[tuple[pa.StringArray, pa.StringArray]]:
    """Both fields of each line, block by block; they may hold anything but tab and line feed, quotation marks too."""
    above = 0
    while block := stream.read(BLOCK):
        # A block ends anywhere; the rest of its last line completes it.
        content = (block + stream.readline()).removesuffix(b"\n")
        try:
            text = pa.array([content.decode()])
        except UnicodeDecodeError as error:
            number = above + 1 + content.count(b"\n", 0, error.start)
            raise ClipnError(f"{path}, line {number}: not UTF-8; fetch it again") from error
        fields = pc.split_pattern(pc.split_pattern(text, "\n").flatten(), "\t")
        sizes = pc.list_value_length(fields)
        # pc.index gives -1 where there is none.
        if wrong := pc.index(pc.equal(sizes, 2), False).as_py() + 1:
            raise ClipnError(
                f"{path}, line {above + wrong}: expected two fields and one tab, got {sizes[wrong - 1]} fields;"
                " fetch it again"
            )
        above += len(fields)
        yield pc.list_element(fields, 0), pc.utf8_rtrim(pc.list_element(fields, 1), "\r")


def _lines(source: CaptionSource, folder: Path) -> Iterator[pa.RecordBatch]:
    """Headerless `caption TAB address`, of CC12M `address TAB caption`, gzipped if the name ends in `.gz`."""
    path, row = caption_file(source, folder), 0
    try:
        with require(path).open("rb") as stored:
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=stored)) if path.suffix == ".gz" else stored
            for first, second in _tab_separated(path, stream):
                caption, url = (second, first) if source.reader == "cc12m" else (first, second)
                yield _addressed(source, row, url, caption)
                row += len(caption)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ClipnError(f"{path}: damaged ({error}); delete it and fetch it again") from error


def _addressed(source: CaptionSource, start: int, url: pa.StringArray, caption: pa.StringArray) -> pa.RecordBatch:
    """Captions from row `start` on whose images have addresses; the row names the image."""
    images = [NUMBERED_IMAGE.format(source.reader, row) for row in range(start, start + len(caption))]
    return pa.record_batch([pa.array(images, pa.string()), url, caption], schema=SCHEMA)


# Parquet with addresses


def _datacomp(source: CaptionSource, folder: Path) -> Iterator[pa.RecordBatch]:
    """Parquet with columns url and text; others are ignored."""
    path, row = caption_file(source, folder), 0
    try:
        with pq.ParquetFile(require(path)) as file:
            for batch in file.iter_batches(ROWS, columns=["url", "text"]):
                url, caption = (batch.column(name).cast(pa.string()) for name in ("url", "text"))
                yield _addressed(source, row, url, pc.fill_null(caption, ""))
                row += len(batch)
    except (pa.ArrowException, KeyError) as error:
        reason = " ".join(str(error).split())  # Arrow's messages have several lines
        raise ClipnError(f"{path}: {reason:.200}; it needs the columns url and text, in UTF-8") from error


# Archives that hold images and captions


def _table_rows(source: CaptionSource, folder: Path, table: str) -> Iterator[Row]:
    """Lines of the table that lies in the archive of images."""
    path = folder / source.images[0].file
    for name, content in read_members(path, lambda name: PurePosixPath(name).name == table):
        for fields in _tab_separated(path / name, BytesIO(content)):
            yield from zip(*(field.to_pylist() for field in fields), strict=True)
        return
    raise ClipnError(f"{path}: holds no {table}; fetch it again")


def _images(source: CaptionSource, folder: Path) -> list[str]:
    return selected_paths([folder / source.images[0].file], source.select)


def _flickr8k(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """`captions.tsv` (file TAB caption, several rows per photograph) beside `images/` in one archive."""
    images, archive = _images(source, folder), folder / source.images[0].file
    members = {PurePosixPath(name).name: name for name in images}
    if len(members) < len(images):
        raise ClipnError(f"{archive}: holds two images of one name; leave one out with `select`")
    named_images: set[str] = set()
    strange = []
    for file, caption in _table_rows(source, folder, "captions.tsv"):
        # A selection may leave out images that the table still names.
        if file in members:
            named_images.add(file)
            yield members[file], caption
        else:
            strange.append(file)
    _tell(archive, "captions without an image, or one in `select`", strange)
    _tell(archive, "images without a caption", sorted(members.keys() - named_images))


def _class_folders(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """One folder per class: templates filled with its names in turn, and, where asked for, with wider ones."""
    archive, names_of = folder / source.images[0].file, _folder_names(source, folder)
    templates, wider_of = prompt_pool("openai80"), wider_names() if source.wider else {}
    if source.wider and wider_of.keys().isdisjoint(names_of):
        raise ClipnError(f"{archive}: has no folder called by the WordNet id of an ImageNet class; leave `wider` out")
    for number, member in enumerate(_images(source, folder)):
        label = PurePosixPath(member).parent.name
        if not label:
            raise ClipnError(f"{archive}: {member} lies in no folder, so it has no class; leave it out with `select`")
        if label not in names_of:
            raise ClipnError(f"{archive}: its classes.tsv has no names for {label}; leave the folder out with `select`")
        for several in filter(None, (names_of[label], wider_of.get(label))):
            names = several.split(", ")
            yield member, templates[number % len(templates)].format(names[number % len(names)])


def _folder_names(source: CaptionSource, folder: Path) -> dict[str, str]:
    """Names, with `, ` between them, of the classes by folder: the record's, else those of `classes.tsv`, else own."""
    archive = folder / source.images[0].file
    members = member_names(archive)
    folders = sorted({PurePosixPath(name).parent.name for name in members if is_image(name)} - {""})
    if source.classes == "imagenet":
        names = imagenet_classnames()
        if len(folders) != len(names) or not all(map(WORDNET_ID.fullmatch, folders)):
            raise ClipnError(
                f"{archive}: `classes: imagenet` names {len(names):,} folders called by WordNet id, and not its "
                f"{len(folders):,}; give names by folder, or leave `classes` out"
            )
        return dict(zip(folders, names, strict=True))
    own = {name: name.replace("_", " ") for name in folders}
    has_table = any(PurePosixPath(name).name == "classes.tsv" for name in members)
    table = dict(_table_rows(source, folder, "classes.tsv")) if has_table else own
    given = source.classes or {}
    if strange := sorted(given.keys() - own.keys()):
        raise ClipnError(f"{archive}: has no folder of images {strange[0]!r}; correct `classes` of the captions")
    return table | given


# WebDataset shards


def _webdataset(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """An image and a `.txt` of the same name for each sample; the image's path begins with its shard's name.

    `select` counts samples in the order of shards and members.
    """
    rows = (row for archive in source.images for row in _shard_rows(folder / archive.file, source.select))
    return islice(rows, source.select.start, source.select.stop)


def _shard_rows(shard: Path, select: Selection) -> Iterator[Row]:
    # Start and stop count over all shards, so they are left to the caller.
    names = member_names(shard)
    chosen = sorted(filter(image_filter(shard, select), names))
    images = {str(PurePosixPath(name).with_suffix(".txt")): name for name in chosen}
    if len(images) < len(chosen):
        raise ClipnError(f"{shard}: holds two images of one sample; leave one kind out with `select`")
    uncaptioned = dict(images)
    for name, content in read_members(shard, images.__contains__):
        uncaptioned.pop(name, None)
        try:
            yield f"{shard.name}/{images[name]}", content.decode()
        except UnicodeDecodeError as error:
            raise ClipnError(f"{shard}: {name} is not UTF-8; fetch it again") from error
    _tell(shard, "images without a caption", list(uncaptioned.values()))
    strange = [name for name in names if name.endswith(".txt") and name not in images]
    _tell(shard, "captions without an image, or one in `select`", strange)


def _tell(path: Path, what: str, names: list[str]) -> None:
    if names:
        warn(f"{path}: left out, {what}: {len(names):,} ({named(names, NAMED)})")


# A folder of images with a table


def _table(source: CaptionSource, folder: Path) -> Iterator[pa.RecordBatch]:
    """`captions.tsv`, `.csv` or `.parquet` with columns image (path in the folder) and caption; others are ignored."""
    found = [path for ending in TABLES if (path := folder / f"captions{ending}").is_file()]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ClipnError(f"{folder}: needs one captions.tsv, captions.csv or captions.parquet, has {names}")
    (path,) = found
    uncaptioned = set(filter(is_image, member_names(folder)))
    try:
        for batch in _table_batches(path):
            image, caption = (batch.column(name).cast(pa.string()) for name in ("image", "caption"))
            uncaptioned.difference_update(str(PurePosixPath(name or "")) for name in image.to_pylist())
            url = pa.nulls(len(batch), pa.string())
            yield pa.record_batch([pc.fill_null(image, ""), url, pc.fill_null(caption, "")], schema=SCHEMA)
    except (pa.ArrowException, KeyError) as error:
        reason = " ".join(str(error).split())  # Arrow's messages have several lines
        raise ClipnError(f"{path}: {reason:.200}; it needs the columns image and caption, in UTF-8") from error
    _tell(folder, "images without a caption", sorted(uncaptioned))


def _table_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Columns image and caption of a Parquet, CSV or TSV file."""
    columns = {"image": pa.string(), "caption": pa.string()}
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS, columns=list(columns))
        return
    # A TSV has no quotation: a caption may hold quotation marks, and ends with its line.
    is_tsv = path.suffix == ".tsv"
    yield from pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK),
        pyarrow.csv.ParseOptions(
            delimiter="\t" if is_tsv else ",", quote_char=False if is_tsv else '"', newlines_in_values=not is_tsv
        ),
        # Without types, a column of numbers would be read as numbers, and 007 become 7.
        pyarrow.csv.ConvertOptions(column_types=columns, include_columns=list(columns)),
    )


BLOCK_READERS: dict[str, Callable[[CaptionSource, Path], Iterator[pa.RecordBatch]]] = {
    "cc3m": _lines,
    "cc12m": _lines,
    "datacomp": _datacomp,
    "table": _table,
}
ROW_READERS: dict[str, Callable[[CaptionSource, Path], Iterator[Row]]] = {
    "flickr8k": _flickr8k,
    "class_folders": _class_folders,
    "webdataset": _webdataset,
}
