"""Archives that are on this machine already: got by hand, in a mirror, or at a file address."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from clipn.data.download.checks import Inspection, RefusedError, verify_file, read_blocks
from clipn.data.download.part import Origin, Part, require_room
from clipn.data.registry import Archive
from clipn.errors import ClipnError
from clipn.files import atomic


def link_by_hand(path: Path, part: Part) -> None:
    """Make the output a link to a file that a person got; errors as those of `link`."""
    is_output = path.absolute() == part.output.absolute()
    link(path, part, "delete it and run again" if is_output else "put the right file there or correct the registry")


def link_in_mirror(path: Path, part: Part) -> None:
    """Make the output a link to a file of a mirror; errors as those of `link`."""
    link(path, part, "repair the mirror or remove the file from it")


def link(path: Path, part: Part, remedy: str) -> None:
    """Make the output a symbolic link to a file, which is read and nothing else; it may be the output itself.

    Raises:
        ClipnError: the file is not what the record says; it stays where it is. The message ends with `remedy`.
    """
    _require_right(path, part.inspection, remedy)
    if part.output.resolve() == path.resolve():
        return
    with atomic(part.output) as temporary:
        temporary.symlink_to(path.resolve())


def local_file(archive: Archive, base: Path) -> Path | None:
    """The first of the record's addresses that is a file which is there."""
    paths = (path for address in archive.addresses if (path := path_of(address, base)))
    return next((path for path in paths if path.is_file()), None)


def path_of(address: str, base: Path) -> Path | None:
    """The path that an address names: by itself, from `base`, or as a file address; None for another kind."""
    parts = urlsplit(address)
    if parts.scheme not in ("", "file"):
        return None
    return base / (unquote(parts.path) if parts.scheme else address)


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
    if complaint := part.inspection.error():
        part.discard()
        raise RefusedError(complaint)
    part.keep()


def _require_right(path: Path, inspection: Inspection, remedy: str) -> None:
    try:
        verify_file(path, inspection)
    except RefusedError as reason:
        raise ClipnError(f"{inspection.archive.file}: {path}: {reason}; {remedy}") from reason
    if complaint := inspection.error():
        raise ClipnError(f"{inspection.archive.file}: {path}: {complaint}; {remedy}")
