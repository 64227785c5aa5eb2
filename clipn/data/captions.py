"""Captions of every source, brought to one Parquet table."""

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pandas as pd

from clipn.data.archives import read_members
from clipn.data.readers import selected_paths
from clipn.data.registry import CaptionSource
from clipn.errors import ClipnError
from clipn.files import atomic, require, write_json
from clipn.progress import tracked
from clipn.prompts import prompt_pool

CC3M_IMAGE = "cc3m/{:09d}.jpg"
"""Name of a CC3M image in its archive, by the caption's row; addresses are not unique once cut to a path."""

COLUMNS = ["key", "source", "image", "caption"]
"""key: nine digits, the row; image: path inside the source's image archive."""

Row = tuple[str, str]


def prepare_captions(
    sources: Mapping[str, CaptionSource], folders: Mapping[str, Path], output: Path, statistics: Path
) -> None:
    """Write the captions of all `sources` as Parquet and what was left out as JSON.

    White space is normalised; empty captions are dropped and counted.

    Args:
        sources: records by name.
        folders: where each source's archives lie.
        output: Parquet with `COLUMNS`.
        statistics: JSON, per source: rows read, empty captions, rows kept.

    Raises:
        ClipnError: a source holds no caption or not the number that its record says.
    """
    tables, counts = [], {}
    for name, source in sources.items():
        table = pd.DataFrame(
            tracked(read_captions(source, folders[name]), source.rows, f"captions of {name}", "rows"),
            columns=["image", "caption"],
        )
        if source.rows is not None and len(table) != source.rows:
            raise ClipnError(f"{name}: holds {len(table):,} captions, expected {source.rows:,}; fetch it again")
        table["caption"] = table["caption"].str.split().str.join(" ")
        kept = table[table["caption"] != ""]
        if kept.empty:
            raise ClipnError(f"{_caption_file(source, folders[name])}: holds no caption; fetch it again")
        counts[name] = {"rows": len(table), "empty": len(table) - len(kept), "kept": len(kept)}
        tables.append(kept.assign(source=name))
    captions = pd.concat(tables, ignore_index=True)
    captions["key"] = [f"{row:09d}" for row in range(len(captions))]
    with atomic(output) as temporary:
        captions[COLUMNS].to_parquet(temporary, compression="zstd", index=False)
    write_json(statistics, counts)


def read_captions(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """(image path inside the archive, caption) rows of one source."""
    return READERS[source.reader](source, folder)


def _caption_file(source: CaptionSource, folder: Path) -> Path:
    return folder / source.archives[0].file


def _tab_separated(path: Path, lines: Iterable[bytes]) -> Iterator[list[str]]:
    """Rows of two fields; a caption may hold anything but tab and line feed, quotation marks among it."""
    for number, line in enumerate(lines, 1):
        try:
            row = line.decode("utf-8").rstrip("\r\n").split("\t")
        except UnicodeDecodeError as error:
            raise ClipnError(f"{path}, line {number}: not UTF-8; fetch it again") from error
        if len(row) != 2:
            raise ClipnError(f"{path}, line {number}: expected two fields and one tab, got {len(row)} fields")
        yield row


def _cc3m(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """Headerless `caption TAB address`; the row names the image in the archive."""
    path = _caption_file(source, folder)
    with require(path).open("rb") as lines:
        for row, (caption, _) in enumerate(_tab_separated(path, lines)):
            yield CC3M_IMAGE.format(row), caption


def _member_lines(source: CaptionSource, folder: Path, ending: str) -> Iterable[bytes]:
    path = folder / source.images[0].file
    for _, content in read_members(path, lambda name: name.endswith(ending)):
        return BytesIO(content)
    raise ClipnError(f"{path}: holds no {ending}; fetch it again")


def _images(source: CaptionSource, folder: Path) -> list[str]:
    return selected_paths([folder / source.images[0].file], source.select)


def _flickr8k(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """`captions.tsv` (file TAB caption, several rows per photograph) beside `images/` in one archive."""
    members = {Path(name).name: name for name in _images(source, folder)}
    path = folder / source.images[0].file
    for file, caption in _tab_separated(path, _member_lines(source, folder, "/captions.tsv")):
        if file in members:
            yield members[file], caption


def _class_folders(source: CaptionSource, folder: Path) -> Iterator[Row]:
    """`classes.tsv` (folder TAB names) beside one folder per class: templates filled with its names in turn."""
    path = folder / source.images[0].file
    table = dict(_tab_separated(path, _member_lines(source, folder, "/classes.tsv")))
    templates = prompt_pool("openai80")
    for number, member in enumerate(_images(source, folder)):
        label = Path(member).parent.name
        if label not in table:
            raise ClipnError(f"{path}: its classes.tsv has no names for {label}; leave the folder out with `select`")
        names = table[label].split(", ")
        yield member, templates[number % len(templates)].format(names[number % len(names)])


READERS = {"cc3m": _cc3m, "flickr8k": _flickr8k, "class_folders": _class_folders}
