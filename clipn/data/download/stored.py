"""Files that came over the network: kept in the store, found there again, and linked to."""

import os
from pathlib import Path

from clipn.data.download.part import Part
from clipn.data.registry import Archive
from clipn.data.store import stored_path
from clipn.data.verification.checks import Inspection, Recorded, verify_file
from clipn.files import atomic
from clipn.progress import warn


def stored_candidates(archive: Archive, first: Recorded | None, downloads: Path) -> list[Path]:
    """Files of the store that may be the one that a record and its receipt tell of, by their paths; none is read."""
    # Whoever enters another address instead may mean another file, so it is asked whether it gives that of the receipt.
    received = first.sha256 if first and first.address in archive.addresses else None
    # An md5 is in no path, so that every file of the name may be the one.
    sha256 = archive.sha256 or received or ("*" if archive.md5 else None)
    pattern = stored_path(archive.file, sha256, Path()) if sha256 else None
    return sorted(path for path in downloads.glob(str(pattern)) if path.is_file()) if pattern else []


def find_stored(inspection: Inspection, downloads: Path) -> Path | None:
    """The file of the store that is what a record says, verified; None, and no bytes inspected, when there is none."""
    for path in stored_candidates(inspection.archive, inspection.first, downloads):
        verify_file(path, inspection)
        error = inspection.error()
        if error is None:
            return path
        # A sound file of the same name is that of another record.
        if inspection.sha256 != path.parent.name:
            warn(f"{path}: {error}; passed over")
        inspection.restart()
    return None


def keep(part: Part, output: Path, downloads: Path) -> None:
    """Move a whole file into the store, and make the output a link to it; in `downloads` itself it is the file."""
    if output.parent.resolve() == downloads.resolve():
        part.move(output)
        return
    stored = stored_path(part.inspection.archive.file, part.inspection.sha256, downloads)
    part.move(stored)
    point(output, stored, downloads)


def point(output: Path, path: Path, downloads: Path) -> None:
    """Make the output a symbolic link to a file: a relative one if that is in `downloads`, as both move together."""
    target = path.resolve()
    inside = target.is_relative_to(downloads.resolve())
    with atomic(output) as temporary:
        temporary.symlink_to(os.path.relpath(target, output.parent.resolve()) if inside else target)
