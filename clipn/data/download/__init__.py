"""Bring one archive to its place, from where it is or from the first address that gives it, and prove it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from clipn.data.download.checks import Inspection, RefusedError, verify_file, receipt, write_receipt
from clipn.data.download.http import SilentHosts, receive
from clipn.data.download.local import copy, find_in_mirror, link_by_hand, link_in_mirror, local_file, path_of
from clipn.data.download.part import Part, room_for
from clipn.data.registry import DOWNLOADS, Archive
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
    silent: SilentHosts | None = None,
) -> None:
    """Bring `archive` to `output`, which appears when its size and checksums are proven and not before.

    A fetch that fails or is killed leaves what it got in a hidden file beside `output`, and the next one goes on
    from there. Of several processes that fetch the same `output`, one does and the others wait.

    Args:
        archive: the record; its addresses are tried in order.
        base: folder that relative addresses start from.
        output: where to; a link to the file when that is in `mirror`.
        downloads: folder of files got by hand; one that is there is taken first, unless the record names a file on
            this machine. Also keeps receipts of files that have no published checksum.
        mirror: folder that holds the file, or a folder `name` with it; used in place.
        name: of the dataset or caption source.
        silent: hosts that gave other fetches no answer, and are not asked again.

    Raises:
        ClipnError: nobody gave the file, what was given is not what the record says, or it does not fit on the disk.
    """
    with _alone(output):
        first = receipt(archive, downloads)
        if _is_proven(output, Inspection(archive, first)):
            return
        inspection = Inspection(archive, first)
        part = Part(output, inspection)
        with room_for(part.path, lambda: part.total):
            in_mirror = mirror and find_in_mirror(mirror, name, archive.file)
            source = _obtain(part, base, downloads / archive.file, in_mirror, silent or SilentHosts())
            part.remove()
            if source and not inspection.has_checksum:
                write_receipt(archive, downloads, inspection.size, inspection.sha256, source)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file.

    The lock's file is removed while it is held: whoever waits for it then sees that it has no name any more and
    makes a new one.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    path = output.with_name(f".{output.name}.lock")
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        warn(f"{output}: wait for another process that fetches it")
        lock.acquire()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _is_proven(output: Path, inspection: Inspection) -> bool:
    if not (inspection.has_checksum and output.is_file()):
        return False
    verify_file(output, inspection)
    return inspection.error() is None


def _obtain(part: Part, base: Path, by_hand: Path, in_mirror: Path | None, silent: SilentHosts) -> str | None:
    """Make `part` its output; returns where from, unless the registry itself names a file."""
    archive = part.inspection.archive
    if by_hand.exists() and local_file(archive, base) is None:
        link_by_hand(by_hand, part)
        return str(by_hand)
    if in_mirror:
        link_in_mirror(in_mirror, part)
        return str(in_mirror)
    if not archive.addresses:
        remedy = archive.manual or "give an address in the registry"
        raise ClipnError(f"{archive.file}: may not be fetched by a program; put it at {by_hand}: {remedy}")
    part.resume()
    return _from_addresses(part, base, by_hand, silent)


def _from_addresses(part: Part, base: Path, by_hand: Path, silent: SilentHosts) -> str | None:
    archive, reasons = part.inspection.archive, []
    for address in archive.addresses:
        try:
            return _from_address(address, part, base, silent)
        except RefusedError as reason:
            reasons.append(f"{address}: {reason}")
    again = "run again to go on, " if part.size else ""
    raise ClipnError(f"{archive.file}: {'; '.join(reasons)}; {again}put it at {by_hand} or correct the registry")


def _from_address(address: str, part: Part, base: Path, silent: SilentHosts) -> str | None:
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        _from_web(address, part, silent)
        return address
    if path := path_of(address, base):
        copy(path, part)
        return None
    raise RefusedError(f"cannot fetch by {scheme!r}; use http, https or file")


def _from_web(address: str, part: Part, silent: SilentHosts) -> None:
    """A wrong file that was put together from several answers is fetched once more from byte 0."""
    receive(address, part, silent)
    complaint = part.inspection.error()
    if complaint and part.is_pieced:
        part.discard()
        receive(address, part, silent)
        complaint = part.inspection.error()
    if complaint:
        part.discard()
        raise RefusedError(complaint)
    part.keep()


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

    A host that answers no attempt for one of them is not asked for the others any more.
    An interruption stops at once: the threads end with the process, and what they got is gone on from.

    Raises:
        ClipnError: there is no such mirror, or some could not be fetched.
    """
    if mirror is not None and not mirror.is_dir():
        raise ClipnError(f"{mirror}: no such folder; correct the mirror or leave it out")
    silent = SilentHosts()
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
                result.set_exception(error)

    for _ in range(min(parallel, len(jobs))):
        Thread(target=work, daemon=True).start()
    failures = [str(error) for error in map(_failure, results) if error]
    if failures:
        raise ClipnError(_summary(failures))


def _failure(result: "Future[None]") -> ClipnError | None:
    """Wait for a result; raises what is no ClipnError."""
    try:
        result.result()
    except ClipnError as error:
        return error
    return None


def _summary(failures: Sequence[str]) -> str:
    named, more = failures[:NAMED_FAILURES], len(failures) - NAMED_FAILURES
    return "; ".join([*named, *([f"and {more:,} more"] if more > 0 else [])])
