"""Whether an archive is the one that was published."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipn.data.download.checks import Inspection, verify_file, receipt
from clipn.data.registry import DOWNLOADS, Archive
from clipn.errors import ClipnError
from clipn.files import require

State = Literal["verified", "by names", "unverified"]
"""Its checksum is a published one; it came by another road, but its images have the published names; neither."""


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
    complaint = inspection.size_error(require(path).stat().st_size) or _complaint(path, inspection)
    if complaint:
        choice = "or " if inspection.first else ""
        raise ClipnError(f"{path}: {complaint}; {choice}delete it and fetch it again")
    return Verification("verified" if archive.has_checksum else "unverified", inspection.sha256)


def verify_copy(archive: Archive, path: Path, *, names: bool) -> Verification:
    """What is known of a copy that came by another road, a folder or a file that was packed again.

    Args:
        archive: what it stands for.
        path: the copy.
        names: whether number and names of its images are the published ones.
    """
    state: State = "by names" if names else "unverified"
    if not path.is_file():
        return Verification(state, "")
    inspection = Inspection(archive)
    is_other = _complaint(path, inspection) is not None
    return Verification("verified" if archive.has_checksum and not is_other else state, inspection.sha256)


def _complaint(path: Path, inspection: Inspection) -> str | None:
    verify_file(path, inspection)
    return inspection.error()
