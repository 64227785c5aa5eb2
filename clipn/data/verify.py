"""Prove what is here of a dataset or caption source, and write down what was found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from clipn.data.captions.sources import read_captions
from clipn.data.cleaning import mark, read_cleaning
from clipn.data.description import RESULTS, Description
from clipn.data.location import locate
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import class_names, read_images
from clipn.data.registry import DOWNLOADS, Archive, CaptionSource, Dataset, Registry
from clipn.data.verification import Verification, verify_archive, verify_copy
from clipn.data.verification_cache import VERIFICATION_CACHE, Sources, forget, remember
from clipn.errors import ClipnError
from clipn.files import write_json
from clipn.progress import tracked
from clipn.yaml_models import named

T = TypeVar("T")
R = TypeVar("R")
Verifications = dict[str, Verification]
"""By file name of the archive."""


def verify_record(
    name: str,
    registry: Registry,
    archives: Path,
    base: Path,
    output: Path,
    unpacked: Path | None = None,
    cleaning: Sequence[str] = (),
    downloads: Path = DOWNLOADS,
    seen: Path = VERIFICATION_CACHE,
) -> Description:
    """Verify a dataset or caption source, and remember what was seen; see `verify_dataset` and `verify_captions`.

    Of the cleaning lists, a dataset takes those that its record has.

    Raises:
        ClipnError: as these two; no dataset has one of the cleaning lists; or `unpacked` is given for captions.
    """
    record = registry.record(name)
    for key in cleaning:
        named({key: None for known in registry.datasets.values() for key in known.cleaning}, key, "cleaning list")
    if isinstance(record, CaptionSource) and unpacked is not None:
        raise ClipnError(f"{name}: captions are not read from an unpacked copy ({unpacked}); leave it out")
    own = [key for key in cleaning if isinstance(record, Dataset) and key in record.cleaning]
    sources = Sources(record, archives, base, unpacked, own)
    before = sources.state()
    forget(output, seen)
    if isinstance(record, Dataset):
        description = verify_dataset(name, record, archives, base, output, unpacked, own, downloads)
    else:
        description = verify_captions(name, record, archives, base, output, downloads)
    remember(sources, before, output, seen)
    return description


def verify_dataset(
    name: str,
    record: Dataset,
    archives: Path,
    base: Path,
    output: Path,
    unpacked: Path | None = None,
    cleaning: Sequence[str] = (),
    downloads: Path = DOWNLOADS,
) -> Description:
    """Prove archives, decode every image, and write `manifest.parquet` and `dataset.json`; what was there goes first.

    Args:
        name: of the dataset, for messages.
        record: what it must be.
        archives: folder of its archives and cleaning lists.
        base: folder that the record's own folder and file list start from.
        output: folder to write to.
        unpacked: somebody's copy of the first archive, a folder or repacked, that stands for it.
        cleaning: lists of the record whose columns the manifest gets.
        downloads: folder of the receipts, which files without a published checksum must match.

    Raises:
        ClipnError: an archive or list is missing or is not the published one, an image does not decode, number, names
            or classes are not those of the record.
    """
    location = locate(record, archives, base, unpacked)
    lists = {key: named(record.cleaning, key, f"cleaning list of {name}") for key in cleaning}
    _clear(output)
    _require_fetched(name, record.archives[1:] if unpacked else record.archives, archives)
    for key, known in lists.items():
        _require_fetched(f"{name} --cleaning {key}", [known.archive], archives)
    looked_at = {key: read_cleaning(known, archives / known.archive.file) for key, known in lists.items()}
    with _alongside(
        partial(_proofs, record, archives, unpacked, [known.archive for known in lists.values()], downloads)
    ) as proving:
        images = tracked(_until(proving, read_images(location)), record.images, f"verify {name}", "images")
        manifest = index_images(name, record, images)
        classes = class_names(location)
        _require_named(name, manifest, classes)
    for key, clean in looked_at.items():
        manifest = mark(manifest, key, clean)
    write_manifest(manifest, output / "manifest.parquet")
    return _described(output, record, classes, proving.result(), len(manifest))


def verify_captions(
    name: str, record: CaptionSource, archives: Path, base: Path, output: Path, downloads: Path = DOWNLOADS
) -> Description:
    """Prove the archives of a caption source, count its captions, and write `dataset.json`; what was there goes first.

    Raises:
        ClipnError: an archive is missing or is not the published one, or there are not as many captions as the record
            says.
    """
    _clear(output)
    _require_fetched(name, record.archives, archives)
    folder = base / record.folder if record.folder is not None else archives
    with _alongside(partial(_proven, record.archives, archives, downloads)) as proving:
        batches = _until(proving, read_captions(record, folder))
        rows = sum(map(len, tracked(batches, None, f"verify {name}", "blocks")))
    if record.rows is not None and rows != record.rows:
        raise ClipnError(f"{name}: holds {rows:,} captions, expected {record.rows:,}; fetch it again")
    return _described(output, record, [], proving.result(), rows)


def _clear(output: Path) -> None:
    """Leave no result of an earlier look, in case this one fails."""
    for name in RESULTS:
        (output / name).unlink(missing_ok=True)


def _require_fetched(what: str, records: Iterable[Archive], archives: Path) -> None:
    for archive in records:
        if not (archives / archive.file).is_file():
            raise ClipnError(f"{archives / archive.file}: no such file; run `clipn data fetch {what}`")


@contextmanager
def _alongside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Work in a thread during the block; its error explains any error of the block, and comes in its place."""
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        try:
            yield working
        finally:
            working.result()


def _until(working: Future[T], items: Iterable[R]) -> Iterator[R]:
    """Yield `items`; raise what `working` raises as soon as it does."""
    for item in items:
        if working.done():
            working.result()
        yield item


def _proofs(
    record: Dataset, archives: Path, unpacked: Path | None, lists: Sequence[Archive], downloads: Path
) -> Verifications:
    if unpacked is None:
        return _proven([*record.archives, *lists], archives, downloads)
    first, *others = record.archives
    copied = verify_copy(first, unpacked, names=record.names_sha256 is not None)
    return {first.file: copied} | _proven([*others, *lists], archives, downloads)


def _proven(records: Iterable[Archive], archives: Path, downloads: Path) -> Verifications:
    return {archive.file: verify_archive(archive, archives / archive.file, downloads) for archive in records}


def _require_named(name: str, manifest: pa.Table, classes: list[str]) -> None:
    """Refuse labels beyond the class names, where there are any."""
    largest = max(manifest["label"].to_pylist())
    if classes and largest >= len(classes):
        raise ClipnError(f"{name}: label {largest} has no name among {len(classes)} classes; correct `classes`")


def _described(
    output: Path, record: Dataset | CaptionSource, classes: list[str], proofs: Verifications, images: int
) -> Description:
    """Write the description, last of all."""
    description = Description(
        title=record.title,
        classes=classes,
        archives={file: proof.sha256 for file, proof in proofs.items()},
        proof={file: proof.state for file, proof in proofs.items()},
        names="verified" if isinstance(record, Dataset) and record.names_sha256 is not None else "unverified",
        images=images,
    )
    write_json(output / "dataset.json", description.model_dump())
    return description
