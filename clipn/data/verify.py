"""Verify what is here of a dataset or caption source, and write down what was found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from clipn.data.captions.sources import read_captions
from clipn.data.cleaning import mark, read_cleaning
from clipn.data.description import RESULTS, Description
from clipn.data.location import Location, is_here, locate
from clipn.data.manifest import index_images, write_manifest
from clipn.data.readers import class_names, read_images, warn_of_left_out
from clipn.data.registry import DOWNLOADS, Archive, CaptionSource, Dataset, Registry
from clipn.data.verification import Verification, verify_archive, verify_copy
from clipn.data.verification.cache import VERIFICATION_CACHE, Sources, remove_verification, save_verification
from clipn.errors import ClipnError
from clipn.files import write_json
from clipn.progress import tracked, warn
from clipn.text.class_names import distinct
from clipn.yaml_models import named

T = TypeVar("T")
R = TypeVar("R")
Verifications = dict[str, Verification]
"""By file name of the archive."""


class VerifiedRecords(NamedTuple):
    """Names of the records that were to be verified, and the errors of those that could not be."""

    names: list[str]
    errors: list[str]


def verify_records(
    names: Sequence[str] | None,
    registry: Registry,
    archives: Path,
    base: Path,
    output: Path,
    unpacked: Path | None = None,
    cleaning: Sequence[str] = (),
) -> VerifiedRecords:
    """Verify several records; one that fails keeps none of the others from being verified.

    Args:
        names: of the records; none: all whose archives or folder are here.
        registry: the records.
        archives: folder of all archives.
        base: folder that the records' own folders and file lists start from.
        output: folder of one folder per record.
        unpacked: somebody's copy of the first archive of the one record that is named.
        cleaning: lists whose columns the manifests get.

    Raises:
        ClipnError: `unpacked` is given for other than one record.
    """
    if unpacked is not None and len(names or []) != 1:
        raise ClipnError("--unpacked: is a copy of one dataset; name that one, and no other")
    chosen = list(names or (name for name, record in registry.records.items() if is_here(record, archives, base)))
    errors = []
    for name in chosen:
        try:
            verify_record(name, registry, archives, base, output / name, unpacked, cleaning)
        except ClipnError as error:
            errors.append(str(error))
    return VerifiedRecords(chosen, errors)


def verify_record(
    name: str,
    registry: Registry,
    archives: Path,
    base: Path,
    output: Path,
    unpacked: Path | None = None,
    cleaning: Sequence[str] = (),
    downloads: Path = DOWNLOADS,
    cache: Path = VERIFICATION_CACHE,
) -> Description:
    """Verify a dataset or caption source by `verify_dataset` or `verify_captions`, and enter it in the cache.

    Of the cleaning lists, a dataset takes those that its record has.

    Raises:
        ClipnError: as these two; no dataset has one of the cleaning lists; or `unpacked` is given for captions.
    """
    record = registry.record(name)
    registry.require_cleaning(cleaning)
    if isinstance(record, CaptionSource) and unpacked is not None:
        raise ClipnError(f"{name}: captions are not read from an unpacked copy ({unpacked}); leave it out")
    # A file in it may be called like a result, which is removed first.
    if record.folder is not None and output.resolve() == (base / record.folder).resolve():
        raise ClipnError(f"{output}: is the folder of {name} itself, which is not changed; name another --output")
    own = [key for key in cleaning if isinstance(record, Dataset) and key in record.cleaning]
    sources = Sources(record, archives, base, unpacked, own)
    # Taken before anything is read: a file that changes meanwhile then differs from what the cache says of it.
    before = sources.state()
    remove_verification(output, cache)
    if isinstance(record, Dataset):
        description = verify_dataset(name, record, archives, base, output, unpacked, own, downloads)
    else:
        description = verify_captions(name, record, archives, base, output, downloads)
    save_verification(sources, before, output, cache)
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
    """Verify archives, decode every image, and write `manifest.parquet` and `dataset.json`; old ones are removed first.

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
    for key, entry in lists.items():
        _require_fetched(f"{name} --cleaning {key}", [entry.archive], archives)
    checked = {key: read_cleaning(entry, archives / entry.archive.file) for key, entry in lists.items()}
    others = [entry.archive for entry in lists.values()]
    with _alongside(partial(_verified, record, archives, downloads, unpacked, others)) as verifying:
        warn_of_left_out(name, location)
        images = tracked(_until(verifying, read_images(location)), record.images, f"verify {name}", "images")
        manifest = index_images(name, record, images)
        classes = _classes(name, location, max(manifest["label"].to_pylist()))
    for key, clean in checked.items():
        manifest = mark(manifest, key, clean)
    write_manifest(manifest, output / "manifest.parquet")
    return _write_description(output, record, classes, verifying.result(), len(manifest))


def _classes(name: str, location: Location, largest: int) -> list[str]:
    """Class names of a dataset whose largest label is `largest`; those that no text tells apart are reported."""
    classes = class_names(location)
    if classes and largest >= len(classes):
        known = f"label {largest} has no name among {len(classes)} classes, which are counted from 0"
        raise ClipnError(f"{name}: {known}; correct the labels, or `classes`")
    if blank := [number for number, text in enumerate(classes) if not text.strip()]:
        raise ClipnError(f"{name}: class {blank[0]} has no name; correct `classes`, or the list in its folder")
    # ImageNet's own list calls two pairs alike.
    repeated = distinct(classes)[1] if classes and location.record.classes != "imagenet" else []
    if repeated:
        warn(f"{name}: {len(repeated)} of the classes have the name of another, so no text tells them apart")
    return classes


def verify_captions(
    name: str, record: CaptionSource, archives: Path, base: Path, output: Path, downloads: Path = DOWNLOADS
) -> Description:
    """Verify the archives of a caption source, count its captions, and write `dataset.json`; an old one goes first.

    Raises:
        ClipnError: an archive is missing or is not the published one, or there are not as many captions as the record
            says.
    """
    _clear(output)
    _require_fetched(name, record.archives, archives)
    folder = base / record.folder if record.folder is not None else archives
    with _alongside(partial(_verified, record, archives, downloads)) as verifying:
        batches = _until(verifying, read_captions(record, folder))
        rows = sum(map(len, tracked(batches, None, f"verify {name}", "blocks")))
    if not rows:
        raise ClipnError(f"{name}: holds no caption; check its caption file, `reader` and `select`")
    if record.rows is not None and rows != record.rows:
        raise ClipnError(f"{name}: holds {rows:,} captions, expected {record.rows:,}; fetch it again")
    return _write_description(output, record, [], verifying.result(), rows)


def _clear(output: Path) -> None:
    """Remove the results of an earlier verification, in case this one fails."""
    for name in RESULTS:
        (output / name).unlink(missing_ok=True)


def _require_fetched(what: str, records: Iterable[Archive], archives: Path) -> None:
    for archive in records:
        if not (archives / archive.file).is_file():
            remedy = f"run `clipn data fetch {what}`, with the --registry and --archives of this command"
            raise ClipnError(f"{archives / archive.file}: no such file; {remedy}")


@contextmanager
def _alongside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Work in a thread during the block; its error explains any error of the block, and comes in its place."""
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        try:
            yield working
        finally:
            # A damaged archive fails in the reader, too; that its checksum is wrong says more.
            working.result()


def _until(working: Future[T], items: Iterable[R]) -> Iterator[R]:
    """Yield `items`; raise what `working` raises as soon as it does."""
    for item in items:
        if working.done():
            working.result()
        yield item


def _verified(
    record: Dataset | CaptionSource,
    archives: Path,
    downloads: Path,
    unpacked: Path | None = None,
    others: Sequence[Archive] = (),
) -> Verifications:
    """Verify the archives of a record, or its unpacked copy, and `others`."""
    packed, found = list(record.archives), {}
    if unpacked is not None:
        first = packed.pop(0)
        found[first.file] = verify_copy(first, unpacked, names=_has_names(record))
    for archive in (*packed, *others):
        found[archive.file] = verify_archive(archive, archives / archive.file, downloads)
    return found


def _has_names(record: Dataset | CaptionSource) -> bool:
    """Whether the names of its images are published."""
    return isinstance(record, Dataset) and record.names_sha256 is not None


def _write_description(
    output: Path, record: Dataset | CaptionSource, classes: list[str], found: Verifications, images: int
) -> Description:
    # Written last of all: where there is a description, everything else is there, too.
    description = Description(
        title=record.title,
        classes=classes,
        archives={file: archive.sha256 for file, archive in found.items()},
        proof={file: archive.state for file, archive in found.items()},
        names="verified" if _has_names(record) else "unverified",
        images=images,
    )
    write_json(output / "dataset.json", description.model_dump())
    return description
