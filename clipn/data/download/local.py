"""Archives that are on this machine already: got by hand, in a mirror, or at a file address."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from clipn.data.download.checks import RefusedError, read_blocks, verify_file
from clipn.data.download.part import Origin, Part, require_space
from clipn.data.registry import Archive
from clipn.errors import ClipnError
from clipn.files import atomic


def link_local_copy(part: Part, base: Path, downloads: Path, mirror: Path | None, name: str) -> Path | None:
    """Make the output a link to the file that a person put into `downloads`, else to that of a mirror.

    Args:
        part: of the output.
        base: folder that relative addresses start from.
        downloads: folder of files got by hand; passed over when the registry itself names a file that is there.
        mirror: see `find_in_mirror`.
        name: of the dataset or caption source.

    Returns:
        The file; None when there is none.

    Raises:
        ClipnError: as `link`.
    """
    archive = part.inspection.archive
    by_hand = downloads / archive.file
    if by_hand.exists() and local_file(archive, base) is None:
        # `clipn data fetch` writes into `downloads` itself: the file was fetched and is not the right one any more.
        is_output = by_hand.absolute() == part.output.absolute()
        link(
            by_hand,
            part,
            "delete it and run again" if is_output else "put the right file there or correct the registry",
        )
        return by_hand
    found = mirror and find_in_mirror(mirror, name, archive.file)
    if found:
        link(found, part, "repair the mirror or remove the file from it")
    return found


def link(path: Path, part: Part, remedy: str) -> None:
    """Make the output a symbolic link to a file, which is read and nothing else; it may be the output itself.

    Raises:
        ClipnError: the file is not what the record says; it stays where it is. The message ends with `remedy`.
    """
    inspection = part.inspection
    try:
        verify_file(path, inspection)
    except RefusedError as reason:
        raise ClipnError(f"{inspection.archive.file}: {path}: {reason}; {remedy}") from reason
    if error := inspection.error():
        raise ClipnError(f"{inspection.archive.file}: {path}: {error}; {remedy}")
    # A link to itself would replace the only copy.
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
    require_space(part.path, size)
    part.extend(read_blocks(path))
    part.finish()
