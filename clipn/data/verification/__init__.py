"""Whether an archive is the one that was published."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipn.data.registry import DOWNLOADS, Archive
from clipn.data.verification.checks import Inspection, receipt, verify_file
from clipn.errors import ClipnError
from clipn.files import require

State = Literal["verified", "by names", "unverified"]
"""Its checksum is a published one; only the names of its images are the published ones; neither."""


@dataclass(frozen=True)
class Verification:
    """What is known of the file of an archive; `sha256` is empty for a folder."""

    state: State
    sha256: str


def verify_archive(archive: Archive, path: Path, downloads: Path = DOWNLOADS) -> Verification:
    """Compare a file with its record; without a published checksum, with the receipt of its first download.

    Args:
        archive: the record.
        path: the file.
        downloads: folder of the receipts.

    Raises:
        ClipnError: the file is missing, is not the published one, or differs from the first download.
    """
    inspection = Inspection(archive, receipt(archive, downloads))
    # The size first: a file that was cut off is refused before gigabytes of it are hashed.
    error = inspection.size_error(require(path).stat().st_size) or _error(path, inspection)
    if error:
        # With a receipt, the message of a wrong checksum has offered to delete that instead.
        choice = "or " if inspection.first else ""
        raise ClipnError(f"{path}: {error}; {choice}delete it and fetch it again")
    return Verification("verified" if archive.has_checksum else "unverified", inspection.sha256)


def verify_copy(archive: Archive, path: Path, *, names: bool) -> Verification:
    """What is known of a copy from elsewhere, a folder or a file that was packed again.

    Args:
        archive: what it stands for.
        path: the copy.
        names: whether number and names of its images are the published ones.
    """
    state: State = "by names" if names else "unverified"
    if not path.is_file():
        return Verification(state, "")
    inspection = Inspection(archive)
    # Another checksum is no error here: whoever packs the same images again gets other bytes.
    is_published = _error(path, inspection) is None and archive.has_checksum
    return Verification("verified" if is_published else state, inspection.sha256)


def _error(path: Path, inspection: Inspection) -> str | None:
    verify_file(path, inspection)
    return inspection.error()
