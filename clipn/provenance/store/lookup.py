"""Which files that dvc.lock names are here, and which are in a remote of DVC; nothing is fetched or changed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.provenance.store.locked import LockedOutput


@dataclass(frozen=True)
class StoredFile:
    """A file that dvc.lock names, or all files of a folder whose list is nowhere.

    Attributes:
        stage: name of the stage that made it.
        path: of the file, or of the folder, relative to the project.
        files: how many.
        size: bytes; None where nobody knows.
        is_here: whether its content is in DVC's cache or at its path.
        is_stored: whether its content is in the remote.
        in_place: whether something lies at its path.
    """

    stage: str
    path: str
    files: int
    size: int | None
    is_here: bool
    is_stored: bool
    in_place: bool


def look_up(outputs: Sequence[LockedOutput], root: Path, remote: str | None = None) -> list[StoredFile]:
    """Look for the files of some outputs in DVC's cache, at their paths and in a remote.

    Files that the cache lacks are hashed where something lies at their paths.

    Args:
        outputs: of one project.
        root: its folder.
        remote: name of the remote; None: DVC's default.

    Raises:
        ClipnError: there is no project of DVC or no remote, or one of them cannot be read.
    """
    # Only now: this import takes long.
    from dvc.repo import Repo

    with _reported(remote), Repo(root) as repo:
        cache, store = repo.cache.local, repo.cloud.get_remote_odb(remote, "pull")
        listed = {output: _files_of(output, [cache, store]) for output in outputs}
        hashes = {md5 for files in listed.values() for md5 in (files or {}).values()}
        cached, stored = _sizes(cache, hashes), _sizes(store, hashes)
        made_here = {output.path for output, files in listed.items() if files is None and _is_as_recorded(output, repo)}
    found = []
    for output, files in listed.items():
        if files is None:
            is_here, in_place = output.path in made_here, (root / output.path).exists()
            found.append(StoredFile(output.stage, output.path, output.files, output.size, is_here, False, in_place))
            continue
        for path, md5 in files.items():
            file = root / path
            is_here = md5 in cached or (file.is_file() and file_hash(file, "md5") == md5)
            size = cached.get(md5, stored.get(md5)) if output.is_folder else output.size
            size = file.stat().st_size if is_here and size is None else size
            found.append(StoredFile(output.stage, path, 1, size, is_here, md5 in stored, file.exists()))
    return found


def _files_of(output: LockedOutput, places: Iterable[Any]) -> Mapping[str, str] | None:
    """md5 of an output's files by path, by the first list in DVC's cache or the remote; None if there is none."""
    if not output.is_folder:
        return {output.path: output.md5}
    for place in places:
        try:
            with place.fs.open(place.oid_to_path(output.md5), "r") as file:
                return {f"{output.path}/{entry['relpath']}": entry["md5"] for entry in json.load(file)}
        except FileNotFoundError:
            continue
    return None


def _sizes(place: Any, hashes: Iterable[str]) -> dict[str, int]:
    """Bytes of those contents that are in DVC's cache or in a remote, by md5."""
    known = sorted(hashes)
    answers = place.fs.info([place.oid_to_path(md5) for md5 in known], return_exceptions=True)
    sizes = {}
    for md5, answer in zip(known, answers, strict=True):
        if isinstance(answer, FileNotFoundError):
            continue
        if isinstance(answer, BaseException):
            raise answer
        sizes[md5] = answer["size"]
    return sizes


def _is_as_recorded(output: LockedOutput, repo: Any) -> bool:
    """Whether a folder is here with just the recorded files, though DVC has no list of them."""
    path = str(Path(repo.root_dir) / output.path)
    return any(out.fs_path == path and out.exists and out.get_hash().value == output.md5 for out in repo.index.outs)


@contextmanager
def _reported(remote: str | None) -> Iterator[None]:
    """Say in one line what keeps DVC from answering.

    Args:
        remote: its name, if one was asked for.
    """
    from dvc.config import NoRemoteError
    from dvc.exceptions import DvcException

    name = f"remote {remote}" if remote else "the default remote"
    try:
        yield
    except NoRemoteError as error:
        remedy = "`dvc remote add --default NAME FOLDER-OR-URL` names one"
        raise ClipnError(f".dvc/config: there is no default remote; {remedy}") from error
    except DvcException as error:
        raise ClipnError(f"{name}: {error}") from error
    except Exception as error:  # every kind of remote has errors of its own
        remedy = "check its address, the network and your rights"
        raise ClipnError(f"{name}: cannot be read ({error}); {remedy}") from error
