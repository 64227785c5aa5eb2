"""Archives that are on this machine already: got by hand, in a mirror, in the store, or at a file address."""

import contextlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clipn.data.download.part import Origin, Part, naming_full_disk, require_space
from clipn.data.download.stored import find_stored, point
from clipn.data.registry import Archive
from clipn.data.verification.checks import Inspection, RefusedError, read_blocks, verify_file
from clipn.errors import ClipnError


def link_local_copy(
    inspection: Inspection, output: Path, base: Path, downloads: Path, mirror: Path | None, name: str
) -> Path | None:
    """Make the output a link to the file that a person put into `downloads`, else to that of the mirror or the store.

    Args:
        inspection: of the record; has seen the file, or nothing.
        output: where the link goes.
        base: folder that relative addresses start from.
        downloads: with the store and the files got by hand; these are passed over when the registry itself names a
            file that is there.
        mirror: see `find_in_mirror`.
        name: of the dataset or caption source.

    Returns:
        The file; None when there is none.

    Raises:
        ClipnError: a file got by hand, or in the mirror, is not what the record says; it stays where it is.
    """
    archive = inspection.archive
    by_hand = downloads / archive.file
    if by_hand.exists() and local_file(archive, base) is None:
        # `clipn data fetch` writes into `downloads` itself: the file was fetched and is not the right one any more.
        is_output = by_hand.absolute() == output.absolute()
        remedy = "delete it and run again" if is_output else "put the right file there or correct the registry"
        _require_right(by_hand, inspection, remedy)
        found: Path | None = by_hand
    elif found := mirror and find_in_mirror(mirror, name, archive.file):
        _require_right(found, inspection, "repair the mirror or remove the file from it")
    else:
        found = find_stored(inspection, downloads)
    # A link to itself would replace the only copy.
    if found and output.resolve() != found.resolve():
        point(output, found, downloads)
    return found


def _require_right(path: Path, inspection: Inspection, remedy: str) -> None:
    try:
        verify_file(path, inspection)
    except RefusedError as reason:
        raise ClipnError(f"{inspection.archive.file}: {path}: {reason}; {remedy}") from reason
    if error := inspection.error():
        raise ClipnError(f"{inspection.archive.file}: {path}: {error}; {remedy}")


def local_file(archive: Archive, base: Path) -> Path | None:
    """The first of the record's addresses that is a file which is there."""
    for address in archive.addresses:
        # A package that is not installed holds no file.
        with contextlib.suppress(RefusedError):
            if (path := path_of(address, base)) and path.is_file():
                return path
    return None


def is_served(address: str) -> bool:
    """Whether an address is one of a server that is asked."""
    return urlsplit(address).scheme in ("http", "https")


def path_of(address: str, base: Path) -> Path | None:
    """The path that an address names; None for one of a server.

    Args:
        address: a path, a file address, or `package:NAME==VERSION/PATH` for a file of an installed package.
        base: folder that a relative path starts from.

    Raises:
        RefusedError: the package is not installed, or in another version.
    """
    parts = urlsplit(address)
    if parts.scheme == "package":
        return _packaged(*parts.path.split("/", 1))
    if parts.scheme not in ("", "file"):
        return None
    return base / (unquote(parts.path) if parts.scheme else address)


def _packaged(requirement: str, file: str = "") -> Path:
    name, _, version = requirement.partition("==")
    if not (name and version and file):
        raise RefusedError("is not of the form package:NAME==VERSION/PATH")
    try:
        installed = distribution(name)
    except PackageNotFoundError as error:
        raise RefusedError(f"is not installed; run `pip install {requirement}`") from error
    if installed.version != version:
        raise RefusedError(f"{name} {installed.version} is installed; run `pip install {requirement}`")
    return Path(str(installed.locate_file(file)))


def find_in_mirror(mirror: Path, name: str, file: str) -> Path | None:
    """The file in a mirror: in its folder `name`, or in the mirror itself."""
    return next((path for path in (mirror / name / file, mirror / file) if path.exists()), None)


def copy(path: Path, output: Path, inspection: Inspection) -> None:
    """Copy a file to the output, checking it on the way.

    Raises:
        RefusedError: there is no such file, or it is not what the record says.
        ClipnError: it does not fit on the disk.
    """
    if not path.is_file():
        raise RefusedError("no such file")
    size = path.stat().st_size
    # Beside the output, as `downloads` may lie on another disk.
    part = Part(output.with_name(f".{output.name}.part"), inspection)
    with naming_full_disk(part):
        part.begin(Origin(address=str(path), total=size))
        require_space(part.path, size)
        part.extend(read_blocks(path))
        part.verify()
        part.move(output)
