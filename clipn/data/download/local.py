"""Archives that are on this machine already: got by hand, in a mirror, or at a file address."""

from pathlib import Path

from clipn.data.download.blocks import prove_file, read_blocks
from clipn.data.download.inspection import Inspection, RefusedError
from clipn.data.download.part import Origin, Part
from clipn.data.download.room import require_room
from clipn.errors import ClipnError
from clipn.files import atomic


def link_by_hand(path: Path, part: Part) -> None:
    """Make a file that a person got the output: a hard link of it, or a copy on another disk.

    Raises:
        ClipnError: it is not what the record says; it stays where it is.
    """
    is_output = path.resolve() == part.output.resolve()
    remedy = "delete it and run again" if is_output else "put the right file there or correct the registry"
    _require_right(path, part.inspection, remedy)
    try:
        with atomic(part.output) as temporary:
            temporary.hardlink_to(path.resolve())
    except OSError:  # another disk, one without links, or the file of another user
        copy(path, part)


def link_in_mirror(path: Path, part: Part) -> None:
    """Make the output a link to a file of a mirror; errors as those of `link_by_hand`."""
    _require_right(path, part.inspection, "repair the mirror or remove the file from it")
    if part.output.resolve() == path.resolve():
        return
    with atomic(part.output) as temporary:
        temporary.symlink_to(path.resolve())


def find_in_mirror(mirror: Path, name: str, file: str) -> Path | None:
    """The file in a mirror: in its folder `name`, or in the mirror itself."""
    return next((path for path in (mirror / name / file, mirror / file) if path.exists()), None)


def copy(path: Path, part: Part) -> None:
    """Copy a file to the output, checking it on the way.

    Raises:
        RefusedError: there is no such file, or it is not what the record says.
        ClipnError: it does not fit on the disk.
    """
    if not path.is_file():
        raise RefusedError("no such file")
    size = path.stat().st_size
    part.begin(Origin(address=str(path), total=size))
    require_room(part.path, size)
    part.extend(read_blocks(path))
    if complaint := part.inspection.complaint():
        part.discard()
        raise RefusedError(complaint)
    part.keep()


def _require_right(path: Path, inspection: Inspection, remedy: str) -> None:
    try:
        prove_file(path, inspection)
    except RefusedError as reason:
        raise ClipnError(f"{inspection.archive.file}: {path}: {reason}; {remedy}") from reason
    if complaint := inspection.complaint():
        raise ClipnError(f"{inspection.archive.file}: {path}: {complaint}; {remedy}")
