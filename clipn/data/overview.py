"""Tables for people: what the registry holds, and what of it is here and proven."""

import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from clipn.data.description import Description, read_description
from clipn.data.download.part import part_of
from clipn.data.registry import Archive, CaptionSource, Dataset, Registry
from clipn.data.verification_cache import VERIFICATION_CACHE, recall

WIDTH = 200
"""Columns where there is no terminal, so that a record is one line."""
SHOWN = 10
"""Archives of a record that are written out."""
NOTHING = "-"


def listing(registry: Registry) -> str:
    """All records: title, images or captions, layout, how they come, whether they can be proven, terms."""
    rows = (
        (name, record.title, _number(_expected(record)), record.reader, _way(record), _provable(record), _terms(record))
        for name, record in registry.records.items()
    )
    return _table(("name", "title", "number", "reader", "comes by", "checksum", "terms"), rows)


def details(registry: Registry, names: Sequence[str]) -> str:
    """All that the registry says of some records, in its own form; of very many archives, the first and the last.

    Raises:
        ClipnError: there is no record of a name.
    """
    return "\n\n".join(_written(name, registry.record(name)) for name in names)


def statuses(
    registry: Registry,
    names: Sequence[str] | None,
    archives: Path,
    verified: Path,
    base: Path,
    seen: Path = VERIFICATION_CACHE,
) -> str:
    """What is here of every record, and what `clipn data verify` found; no archive is read.

    Args:
        registry: the records.
        names: some of them; None: all.
        archives: folder of the archives.
        verified: folder with one folder per dataset, as `clipn data verify` writes it.
        base: folder that the records' own folders start from.
        seen: folder of what the verifications saw.

    Raises:
        ClipnError: there is no record of a name.
    """
    records = {name: registry.record(name) for name in names or registry.records}
    rows = (
        (
            name,
            _here(record, archives, base),
            _size(record, archives),
            *_found(record, archives, base, verified / name, seen),
        )
        for name, record in records.items()
    )
    return _table(("name", "archives", "size", "proof", "number", "file list"), rows)


def present(registry: Registry, archives: Path, base: Path) -> list[str]:
    """Names of the records of which all archives, or the folder, are here."""
    return [name for name, record in registry.records.items() if _is_here(record, archives, base)]


def _written(name: str, record: Dataset | CaptionSource) -> str:
    """The record as YAML, every value in one line."""
    known = record.model_dump(mode="json", exclude_defaults=True)
    for key in known.keys() & {"archives", "images"}:
        known[key] = _shortened(known[key])
    text: str = yaml.safe_dump({name: known}, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.rstrip()


def _shortened(value: Any) -> Any:
    if not isinstance(value, list) or len(value) <= SHOWN:
        return value
    return [value[0], f"{len(value) - 2} more", value[-1]]


def _is_here(record: Dataset | CaptionSource, archives: Path, base: Path) -> bool:
    if record.folder is not None:
        return (base / record.folder).is_dir()
    return all((archives / archive.file).exists() for archive in record.archives)


def _here(record: Dataset | CaptionSource, archives: Path, base: Path) -> str:
    if record.folder is not None:
        return "in place" if _is_here(record, archives, base) else "folder is missing"
    here = sum((archives / archive.file).exists() for archive in record.archives)
    begun = [text for archive in record.archives if (text := _begun(archive, archives))]
    return ", ".join([f"{here} of {len(record.archives)}", *begun[:1]])


def _begun(archive: Archive, archives: Path) -> str:
    """How far a broken-off fetch has come."""
    part = part_of(archives / archive.file)
    if not part.is_file():
        return ""
    done = part.stat().st_size
    return f"{100 * done // archive.bytes} % of one" if archive.bytes else f"{_bytes(done)} of one"


def _size(record: Dataset | CaptionSource, archives: Path) -> str:
    files = [archives / archive.file for archive in record.archives]
    return _bytes(sum(file.stat().st_size for file in files if file.is_file()))


def _found(
    record: Dataset | CaptionSource, archives: Path, base: Path, folder: Path, seen: Path
) -> tuple[str, str, str]:
    """Proof, number and file list of what was verified; what to do first where nothing was."""
    written, memory = folder / "dataset.json", recall(folder, seen)
    if not written.is_file() or memory is None:
        return _remedy(record, archives), NOTHING, NOTHING
    if not memory.is_here(record, archives, base, folder):
        return "changed since it was verified", NOTHING, NOTHING
    description = read_description(written)
    number = f"{_number(description.images)} of {_number(_expected(record))}"
    return _weakest(description), number, "verified" if description.names == "verified" else "none published"


def _remedy(record: Dataset | CaptionSource, archives: Path) -> str:
    missing = [archive for archive in record.archives if not (archives / archive.file).exists()]
    if not missing:
        return "not verified yet"
    return "to be fetched" if missing[0].addresses else f"by hand: {missing[0].file}"


def _weakest(description: Description) -> str:
    """What can be said of all archives of a dataset."""
    proofs = set(description.proof.values())
    return next((proof for proof in ("unverified", "by names", "verified") if proof in proofs), "in place")


def _expected(record: Dataset | CaptionSource) -> int | None:
    return record.images if isinstance(record, Dataset) else record.rows


def _way(record: Dataset | CaptionSource) -> str:
    if record.folder is not None:
        return "in place"
    way = "by hand" if not all(archive.addresses for archive in record.archives) else "fetch"
    return f"{way}, crawl" if isinstance(record, CaptionSource) and record.is_crawled else way


def _provable(record: Dataset | CaptionSource) -> str:
    published = [archive.has_checksum for archive in record.archives]
    return "published" if published and all(published) else "none"


def _terms(record: Dataset | CaptionSource) -> str:
    return "; ".join(filter(None, (record.licence, record.terms))) or NOTHING


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _bytes(size: int) -> str:
    if not size:
        return NOTHING
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.2f} MB"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = Table(*columns, box=SIMPLE, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    width = Console().width if sys.stdout.isatty() else WIDTH
    Console(file=text, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
