"""Fetch one archive, from where it is or from the first address that gives it, and verify it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from clipn.data.download.http import download
from clipn.data.download.local import copy, is_served, link_local_copy, path_of
from clipn.data.download.part import Part, naming_full_disk
from clipn.data.download.stored import keep
from clipn.data.registry import DOWNLOADS, Archive
from clipn.data.store import part_path
from clipn.data.verification.checks import Inspection, RefusedError, receipt, verify_file, write_receipt
from clipn.errors import ClipnError
from clipn.progress import warn

NAMED_FAILURES = 3
"""Of several fetches that fail, how many are named."""


def fetch_archive(
    archive: Archive,
    base: Path,
    output: Path,
    downloads: Path = DOWNLOADS,
    mirror: Path | None = None,
    name: str = "",
    silent: set[str] | None = None,
) -> None:
    """Fetch `archive` to `output`, which appears when its size and checksums are verified and not before.

    What comes over the network is kept in the store, and `output` is a link to it: one that is deleted is made again
    without a server. A fetch that fails or is killed leaves there what it got, and the next one goes on from that. Of
    several processes that fetch the same file, one does and the others wait.

    Args:
        archive: the record; its addresses are tried in order.
        base: folder that relative addresses start from.
        output: where to; a link, but the file itself in `downloads`, or where the record names a file on this machine.
        downloads: folder of files got by hand; one that is there is taken first, unless the record names a file on
            this machine. Also holds the store (`clipn.data.store`).
        mirror: folder that holds the file, or a folder `name` with it; used in place.
        name: of the dataset or caption source.
        silent: hosts that gave other fetches no response, and are not asked again; further ones are added.

    Raises:
        ClipnError: nobody gave the file, what was given is not what the record says, or it does not fit on the disk.
    """
    unfinished = part_path(archive, downloads)
    with _locked(unfinished.with_suffix(".lock"), output):
        inspection = Inspection(archive, receipt(archive, downloads))
        # Without any checksum nothing tells that a file that is there is the right one, so it is fetched again.
        if inspection.has_checksum and output.is_file():
            verify_file(output, inspection)
            if inspection.error() is None:
                return
            inspection.restart()
        part = Part(unfinished, inspection)
        with naming_full_disk(part):
            local = link_local_copy(inspection, output, base, downloads, mirror, name)
            source = str(local) if local else _from_addresses(part, base, output, downloads, silent)
            # Before the file is kept: after a kill in between, the receipt is all that tells it from another file.
            if source and not inspection.has_checksum:
                write_receipt(archive, downloads, inspection.size, inspection.sha256, source)
            if source and not local:
                keep(part, output, downloads)
            part.remove()


@contextmanager
def _locked(path: Path, output: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        warn(f"{output}: wait for another process that fetches it")
        lock.acquire()
    try:
        yield
    finally:
        # Removed while it is held: whoever waits for it then sees that it has no name any more and makes a new one.
        path.unlink(missing_ok=True)
        lock.release()


def _from_addresses(part: Part, base: Path, output: Path, downloads: Path, silent: set[str] | None) -> str | None:
    """Fetch the part from the first address that gives it whole; returns that, but None for a file that was copied."""
    archive, refusals = part.inspection.archive, []
    by_hand = downloads / archive.file
    if not archive.addresses:
        remedy = archive.manual or "give an address in the registry"
        raise ClipnError(f"{archive.file}: may not be fetched by a program; put it at {by_hand}: {remedy}")
    part.resume()
    for address in archive.addresses:
        try:
            if path := path_of(address, base):
                copy(path, output, Inspection(archive, part.inspection.first))
                # The registry's own file needs no receipt: a change of it is meant.
                return None
            if not is_served(address):
                raise RefusedError(f"cannot fetch by {urlsplit(address).scheme!r}; use http, https, file or package")
            download(address, part, set() if silent is None else silent)
            return address
        except RefusedError as reason:
            refusals.append(f"{address}: {reason}")
    again = "run again to go on, " if part.size else ""
    raise ClipnError(f"{archive.file}: {'; '.join(refusals)}; {again}put it at {by_hand} or correct the registry")


class FetchJob(NamedTuple):
    """One archive to fetch; see `fetch_archive`."""

    name: str
    archive: Archive
    base: Path
    output: Path


def fetch_archives(
    jobs: Sequence[FetchJob], parallel: int, downloads: Path = DOWNLOADS, mirror: Path | None = None
) -> None:
    """Fetch several archives, `parallel` at a time; one that fails keeps none of the others from being tried.

    A host that responds to no attempt for one of them is not asked for the others any more.
    An interruption stops at once, and the next call goes on with what was fetched.

    Raises:
        ClipnError: there is no such mirror, or some could not be fetched.
    """
    if mirror is not None and not mirror.is_dir():
        raise ClipnError(f"{mirror}: no such folder; correct the mirror or leave it out")
    silent: set[str] = set()
    waiting: SimpleQueue[tuple[FetchJob, Future[None]]] = SimpleQueue()
    results: list[Future[None]] = [Future() for _ in jobs]
    for entry in zip(jobs, results, strict=True):
        waiting.put(entry)

    def work() -> None:
        while True:
            try:
                job, result = waiting.get_nowait()
            except Empty:
                return
            try:
                fetch_archive(job.archive, job.base, job.output, downloads, mirror, job.name, silent)
                result.set_result(None)
            except BaseException as error:
                # Raised again in the main thread, which would else wait for this result for ever.
                result.set_exception(error)

    # An executor would wait at the end for its threads, and so keep an interrupted process alive; daemons end with it.
    for _ in range(min(parallel, len(jobs))):
        Thread(target=work, daemon=True).start()
    failures = []
    for result in results:
        # A wait without an end would sleep through an interruption that comes just before it.
        while wait([result], timeout=1).not_done:
            pass
        try:
            result.result()
        except ClipnError as error:
            failures.append(str(error))
    if failures:
        more = len(failures) - NAMED_FAILURES
        rest = [f"and {more:,} more"] if more > 0 else []
        raise ClipnError("; ".join(failures[:NAMED_FAILURES] + rest))
