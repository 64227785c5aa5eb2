"""Fetch one archive from the first address that gives it, and prove that it is the right one."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from clipn.data.registry import Archive
from clipn.errors import ClipnError
from clipn.files import atomic
from clipn.progress import progress

BLOCK = 1 << 20
TIMEOUT = (10, 60)
ATTEMPTS = 3
FIRST_PAUSE = 1.0

DOWNLOADS = Path("downloads")
"""Where a person puts files that no program may fetch, relative to the working directory."""


class _RefusedError(Exception):
    """One address did not give the archive; the next one may."""


def fetch_archive(archive: Archive, base: Path, output: Path, downloads: Path = DOWNLOADS) -> None:
    """Fetch `archive` to `output`, atomically, checking size and checksums while it streams.

    Args:
        archive: the record; its addresses are tried in order.
        base: folder that relative addresses start from.
        output: where to.
        downloads: folder of files got by hand; one that is there is taken, and checked like any other.

    Raises:
        ClipnError: no address gave the file, or what it gave is not what the record says.
    """
    by_hand = downloads / archive.file
    addresses = [str(by_hand.absolute())] if by_hand.exists() else archive.addresses
    if not addresses:
        remedy = archive.manual or "give an address in the registry"
        raise ClipnError(f"{archive.file}: may not be fetched by a program; put it at {by_hand}: {remedy}")
    reasons = []
    for address in addresses:
        try:
            with atomic(output) as temporary:
                _stream(address, base, archive, temporary)
            return
        except _RefusedError as reason:
            reasons.append(f"{address}: {reason}")
    raise ClipnError(f"{archive.file}: {'; '.join(reasons)}; put it at {by_hand} or correct the registry")


class _Digests:
    """Size and checksums of a stream, compared with a record."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.size = 0
        self.hashes = {name: hashlib.new(name) for name in ("sha256", "md5") if getattr(archive, name)}

    def update(self, block: bytes) -> None:
        self.size += len(block)
        for digest in self.hashes.values():
            digest.update(block)

    def complaint(self) -> str | None:
        if self.archive.bytes is not None and self.size != self.archive.bytes:
            return f"has {self.size:,} bytes, expected {self.archive.bytes:,}"
        for name, digest in self.hashes.items():
            expected = getattr(self.archive, name)
            if digest.hexdigest() != expected:
                return f"wrong checksum: {name} is {digest.hexdigest()}, expected {expected}"
        return None


def _stream(address: str, base: Path, archive: Archive, output: Path) -> None:
    digests = _Digests(archive)
    with output.open("wb") as stream, progress(archive.bytes, f"fetch {archive.file}", "B") as meter:
        for block in _blocks(address, base):
            stream.write(block)
            digests.update(block)
            meter.update(len(block))
    if complaint := digests.complaint():
        raise _RefusedError(complaint)


def _blocks(address: str, base: Path) -> Iterator[bytes]:
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        yield from _http_blocks(address)
    elif scheme in ("", "file"):
        yield from _file_blocks(base / (unquote(urlsplit(address).path) if scheme else address))
    else:
        raise _RefusedError(f"cannot fetch by {scheme!r}; use http, https or file")


def _file_blocks(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise _RefusedError("no such file")
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def _http_blocks(address: str) -> Iterator[bytes]:
    response = _get(address)
    with response:
        if response.headers.get("content-type", "").lower().startswith("text/html"):
            raise _RefusedError("gave a web page instead of a file")
        try:
            yield from response.raw.stream(BLOCK, decode_content=False)  # some servers call .gz an encoding
        except urllib3.exceptions.HTTPError as error:
            raise _RefusedError(f"broke off ({type(error).__name__})") from error


def _get(address: str) -> requests.Response:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response = requests.get(address, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
            response.raise_for_status()
            return response
        except requests.HTTPError as error:
            reason = f"HTTP {error.response.status_code}"
            if error.response.status_code < 500:
                break
        except requests.RequestException as error:
            reason = type(error).__name__
        if attempt < ATTEMPTS:
            time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
    raise _RefusedError(reason)
