"""Tables for people: what the registry holds, and what of it is here and verified."""

import sys
from collections.abc import Container, Iterable, Sequence
from io import StringIO
from pathlib import Path

import yaml
from rich.box import SIMPLE
from rich.console import Console, OverflowMethod
from rich.table import Table

from clipn.data.description import read_description
from clipn.data.location import is_here
from clipn.data.registry import DOWNLOADS, CaptionSource, Dataset, Registry
from clipn.data.store import part_path
from clipn.data.verification.cache import VERIFICATION_CACHE, cached_verification
from clipn.data.word_list import WordList
from clipn.files import file_hash
from clipn.progress import one_line

WIDTH = 200
"""Columns where there is no terminal, so that a record is one line."""
SHOWN = 10
"""Archives of a record that are written out."""
NOTHING = "-"


def listing(registry: Registry) -> str:
    """All records: title, images or captions, layout, how they come, whether a checksum is published, terms."""
    rows = list[tuple[str, ...]]()
    for name, record in registry.records.items():
        way = "fetch" if all(archive.addresses for archive in record.archives) else "by hand"
        if record.folder is not None:
            way = "in place"
        elif isinstance(record, CaptionSource) and record.is_crawled:
            way += ", crawl"
        # all() of no archives would call a folder published.
        published = bool(record.archives) and all(archive.has_checksum for archive in record.archives)
        terms = "; ".join(filter(None, (record.licence, record.terms))) or NOTHING
        number = _number(_expected(record))
        rows.append((name, record.title, number, record.reader, way, "published" if published else "none", terms))
    for name, words in registry.words.items():
        way = "fetch" if words.archive.addresses else "by hand"
        terms = "; ".join(filter(None, (words.licence, words.terms))) or NOTHING
        rows.append((name, words.title, NOTHING, "words", way, "published", terms))
    return _as_text(plain_table(("name", "title", "number", "reader", "comes by", "checksum", "terms"), rows))


def details(registry: Registry, names: Sequence[str]) -> str:
    """All that the registry says of some records, in its own form; of very many archives, the first and the last.

    Raises:
        ClipnError: there is no record of a name.
    """
    texts = []
    for name in names:
        known = registry.words[name] if name in registry.words else registry.record(name)
        record = known.model_dump(mode="json", exclude_defaults=True)
        for key in ("archives", "images"):
            value = record.get(key)
            # `images` is a number in a dataset and a list of archives in a caption source.
            if isinstance(value, list) and len(value) > SHOWN:
                record[key] = [value[0], f"{len(value) - 2} more", value[-1]]
        # Without a width, PyYAML folds long values, and a grep for their words misses them.
        text: str = yaml.safe_dump({name: record}, sort_keys=False, allow_unicode=True, width=float("inf"))
        texts.append(text.rstrip())
    return "\n\n".join(texts)


def statuses(
    registry: Registry,
    names: Sequence[str] | None,
    archives: Path,
    verified: Path,
    base: Path,
    cache: Path = VERIFICATION_CACHE,
) -> str:
    """What is here of every record, and what `clipn data verify` found; no archive is read but word lists.

    Args:
        registry: the records.
        names: some of them; None: all.
        archives: folder of the archives.
        verified: folder with one folder per dataset, as `clipn data verify` writes it.
        base: folder that the records' own folders start from.
        cache: folder of the verification cache.

    Raises:
        ClipnError: there is no record of a name.
    """
    chosen = names or [*registry.records, *registry.words]
    records = {name: registry.record(name) for name in chosen if name not in registry.words}
    rows = []
    for name, record in records.items():
        files = [archives / archive.file for archive in record.archives]
        size = _size(sum(file.stat().st_size for file in files if file.is_file()))
        found = _found(record, archives, base, verified / name, cache)
        rows.append((name, _archives_here(record, archives, base), size, *found))
    rows += [(name, *_word_list(registry.words[name], archives)) for name in chosen if name in registry.words]
    return _as_text(plain_table(("name", "archives", "size", "proof", "number", "file list"), rows))


def plain_table(
    columns: Iterable[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    right: Container[str] = (),
    overflow: OverflowMethod = "ellipsis",
) -> Table:
    """A table with one line below its header and no other.

    Args:
        columns: their headers.
        rows: a text per column.
        title: printed above, at the left.
        right: the columns that are set flush right, as numbers are.
        overflow: what becomes of a text that does not fit the terminal.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow=overflow)
    for row in rows:
        table.add_row(*map(one_line, row))
    return table


def _archives_here(record: Dataset | CaptionSource, archives: Path, base: Path) -> str:
    """How many archives are here, and how far the first of the incomplete fetches has come."""
    if record.folder is not None:
        return "in place" if is_here(record, archives, base) else "folder is missing"
    here = sum((archives / archive.file).exists() for archive in record.archives)
    for archive in record.archives:
        part = part_path(archive, DOWNLOADS)
        if part.is_file():
            done = part.stat().st_size
            share = f"{100 * done // archive.bytes} %" if archive.bytes else _size(done)
            return f"{here} of {len(record.archives)}, {share} of one"
    return f"{here} of {len(record.archives)}"


def _found(
    record: Dataset | CaptionSource, archives: Path, base: Path, folder: Path, cache: Path
) -> tuple[str, str, str]:
    """Proof, number and file list of what was verified; what to do first where nothing was."""
    written, cached = folder / "dataset.json", cached_verification(folder, cache)
    if not written.is_file() or cached is None:
        missing = [archive for archive in record.archives if not (archives / archive.file).exists()]
        if not missing:
            return "not verified yet", NOTHING, NOTHING
        return "to be fetched" if missing[0].addresses else f"by hand: {missing[0].file}", NOTHING, NOTHING
    if not cached.is_current(record, archives, base, folder):
        return "changed since it was verified", NOTHING, NOTHING
    description = read_description(written)
    # The weakest state of any archive is all that can be said of the whole.
    states = set(description.proof.values())
    weakest = next((state for state in ("unverified", "by names", "verified") if state in states), "in place")
    number = f"{_number(description.images)} of {_number(_expected(record))}"
    return weakest, number, "verified" if description.names == "verified" else "none published"


def _word_list(words: WordList, archives: Path) -> tuple[str, str, str, str, str]:
    """Archives, size and proof of a word list, which is so small that its checksum is taken here."""
    file = archives / words.archive.file
    if not file.is_file():
        proof = "to be fetched" if words.archive.addresses else f"by hand: {words.archive.file}"
        return "0 of 1", NOTHING, proof, NOTHING, NOTHING
    proof = "verified" if file_hash(file) == words.archive.sha256 else "is another file"
    return "1 of 1", _size(file.stat().st_size), proof, NOTHING, NOTHING


def _expected(record: Dataset | CaptionSource) -> int | None:
    return record.images if isinstance(record, Dataset) else record.rows


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _size(count: int) -> str:
    return human_bytes(count) if count else NOTHING


def _as_text(table: Table) -> str:
    text = StringIO()
    # Rich takes 80 columns where there is no terminal, which would break lines that a program reads.
    width = Console().width if sys.stdout.isatty() else WIDTH
    Console(file=text, width=width, color_system=None, markup=False).print(table)
    # Rich fills lines with spaces up to the width.
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def human_bytes(size: int) -> str:
    """A number of bytes in gigabytes or, below one, in megabytes, with two decimals."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.2f} MB"
