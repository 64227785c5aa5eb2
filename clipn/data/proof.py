"""Whether an archive is the one that was published."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipn.data.registry import Archive
from clipn.errors import ClipnError
from clipn.files import require

State = Literal["verified", "by names", "unverified"]
"""Its checksum is a published one; it came by another road, but its images have the published names; neither."""
BLOCK = 1 << 20


@dataclass(frozen=True)
class Proof:
    """What is known of the file of an archive; `sha256` is empty for a folder."""

    state: State
    sha256: str


def prove(archive: Archive, path: Path) -> Proof:
    """Compare a file with its record: size, and sha256 or, where only that is published, md5.

    Raises:
        ClipnError: the file is missing, or is not the published one.
    """
    size = require(path).stat().st_size
    if archive.bytes is not None and size != archive.bytes:
        raise ClipnError(f"{path}: has {size:,} bytes, expected {archive.bytes:,}; delete it and fetch it again")
    published, digests = _published(archive), _digests(path, {"sha256", *_published(archive)})
    for algorithm, digest in published.items():
        if digests[algorithm] != digest:
            raise ClipnError(
                f"{path}: {algorithm} is {digests[algorithm]}, expected {digest}; delete it and fetch it again"
            )
    return Proof("verified" if published else "unverified", digests["sha256"])


def prove_copy(archive: Archive, path: Path, *, names: bool) -> Proof:
    """What is known of a copy that came by another road, a folder or a file that was packed again.

    Args:
        archive: what it stands for.
        path: the copy.
        names: whether number and names of its images are the published ones.
    """
    digests = _digests(path, {"sha256", *_published(archive)}) if path.is_file() else {}
    if digests and _published(archive).items() & digests.items():
        return Proof("verified", digests["sha256"])
    return Proof("by names" if names else "unverified", digests.get("sha256", ""))


def _published(archive: Archive) -> dict[str, str]:
    """The strongest published checksum by its algorithm."""
    known = {"sha256": archive.sha256, "md5": archive.md5}
    return dict([(algorithm, digest) for algorithm, digest in known.items() if digest][:1])


def _digests(path: Path, algorithms: set[str]) -> dict[str, str]:
    """Hex digests by algorithm, in one pass."""
    hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    buffer = bytearray(BLOCK)
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            for digest in hashes.values():
                digest.update(memoryview(buffer)[:count])
    return {algorithm: digest.hexdigest() for algorithm, digest in hashes.items()}
