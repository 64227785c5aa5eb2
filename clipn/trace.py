"""The way back from a result to what made it: every file with its job, its hash now, and what no longer agrees."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import NamedTuple

from clipn.data.description import RESULTS, read_description
from clipn.data.registry import Archive, load_registry
from clipn.data.weights_registry import load_weights
from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.progress import tracked
from clipn.provenance import METADATA, JobRecord, read_records, unfinished

READ_ALWAYS = 64_000_000
"""Bytes up to which a file is hashed anew; of a larger one a recorded hash is taken where its date vouches for it."""
SHORT = 12
"""Digits of a sha256 that people are shown."""


class Proof(NamedTuple):
    """What the description of a dataset says of one of its archives; None where it says nothing."""

    state: str | None
    sha256: str | None


UNKNOWN = Proof(None, None)


@dataclass(frozen=True)
class Made:
    """One file and the job that made it.

    Attributes:
        path: relative to the project.
        record: its job; None for a file from outside the workflow.
        sha256: of the file as it is now; None if it is missing.
        origin: of an archive or weight file, where its registry says that it comes from.
        proof: of an archive, how far it is proven.
        faults: what is wrong with the file, for people.
        changed: inputs that are not what the job read, with the sha256 that they had then.
    """

    path: str
    record: JobRecord | None
    sha256: str | None
    origin: str | None
    proof: str | None
    faults: list[str]
    changed: dict[str, str]

    @property
    def inputs(self) -> list[str]:
        """Paths of what it was made from."""
        return self.record.inputs if self.record else []

    @property
    def rule(self) -> str:
        """What made it."""
        return self.record.rule if self.record else "not made by a rule"


def trace(target: Path, root: Path) -> dict[str, Made]:
    """All that a file was made from, itself first, by path in the project `root`.

    Raises:
        ClipnError: the file is outside the project, or there is no record of how it was made.
    """
    records = read_records(root)
    path = _known(target, root, records)
    files = list(_ancestors(path, records))
    hashes = _hashes(files, records, root)
    proofs, begun = _proofs(files, records, root), unfinished(root)
    made = {}
    for file in files:
        record, sha256, proof = records.get(file), hashes[file], proofs.get(file, UNKNOWN)
        faults = [*_faults(sha256, record, proof), *(["its job has not ended"] if file in begun else [])]
        read = record.hashes if record else {}
        changed = {name: then for name, then in read.items() if hashes[name] not in (None, then)}
        made[file] = Made(file, record, sha256, _origin(record, file, root), proof.state, faults, changed)
    return made


def _faults(sha256: str | None, record: JobRecord | None, proof: Proof) -> Iterator[str]:
    if sha256 is None:
        yield "missing"
    elif proof.sha256 not in (None, sha256):
        yield f"is not the archive that was proven, {proof.sha256:.{SHORT}}"
    elif record and record.is_copy and sha256 not in record.hashes.values():
        yield "is not the copy that was made"


def _known(target: Path, root: Path, records: Mapping[str, JobRecord]) -> str:
    path = os.path.relpath(root / target, root)
    if Path(path).parts[:1] == (os.pardir,):
        raise ClipnError(f"{target}: is outside this folder; run `clipn trace` in the project that made it")
    if path in records:
        return path
    if not records:
        raise ClipnError(f"{METADATA}: no record of any job; go to the project's folder, or run `snakemake {path}`")
    near = get_close_matches(path, records, n=3, cutoff=0.0)
    remedy = f"make it with `snakemake {path}`, or name another, e.g. {', '.join(near)}"
    raise ClipnError(f"{path}: no record of how it was made; {remedy}")


def _ancestors(path: str, records: Mapping[str, JobRecord]) -> Iterator[str]:
    """`path` and all that it was made from, each once."""
    seen, waiting = {path}, [path]
    while waiting:
        file = waiting.pop()
        yield file
        inputs = records[file].inputs if file in records else []
        waiting += [name for name in dict.fromkeys(inputs) if name not in seen]
        seen.update(inputs)


def _hashes(files: list[str], records: Mapping[str, JobRecord], root: Path) -> dict[str, str | None]:
    """sha256 of every file as it is now, None for a missing one."""
    known = {path: sha256 for path in files if (sha256 := _vouched(path, records, root)) is not None}
    unread = [path for path in files if path not in known]
    read = {path: _hash(root / path) for path in tracked(unread, len(unread), "hash", "files")}
    return {**known, **read}


def _hash(path: Path) -> str | None:
    return file_hash(path) if path.is_file() else None


def _vouched(path: str, records: Mapping[str, JobRecord], root: Path) -> str | None:
    """The hash that a later job recorded of a large file, if the file's date is still the one its own job left."""
    file, own = root / path, records.get(path)
    if own is None or not file.is_file() or file.stat().st_size <= READ_ALWAYS:
        return None
    if file.lstat().st_mtime != own.ended or file.stat().st_mtime > own.ended:
        return None
    later = (record for record in records.values() if path in record.hashes and record.started >= own.ended)
    return next((record.hashes[path] for record in later), None)


def _proofs(files: list[str], records: Mapping[str, JobRecord], root: Path) -> dict[str, Proof]:
    """What `clipn data verify` found of the archives among `files`."""
    found, wanted = {}, set(files)
    for path, record in records.items():
        archives = {Path(file).name: file for file in record.inputs if file in wanted}
        if Path(path).name == RESULTS[-1] and archives:
            with suppress(ClipnError):  # a description that is missing or damaged proves nothing
                description = read_description(root / path)
                for name in archives.keys() & description.archives.keys():
                    found[archives[name]] = Proof(description.proof[name], description.archives[name])
    return found


def _origin(record: JobRecord | None, path: str, root: Path) -> str | None:
    """The first address of a fetched file in the registry that its job was given, or how it is got by hand."""
    words = shlex.split(record.shell or "") if record else []
    if "--registry" not in words[:-1]:
        return None
    archive = _archives(root / words[words.index("--registry") + 1]).get(Path(path).name)
    if archive is None:
        return None
    return next(iter(archive.addresses), None) or archive.manual


@cache
def _archives(registry: Path) -> dict[str, Archive]:
    """All archives of a registry of datasets or of weights, by file name; none of one that cannot be read."""
    with suppress(ClipnError):
        data = load_registry(registry)
        known = (archive for name in data.records for archive in data.archives(name, data.cleaning_names))
        return {archive.file: archive for archive in known}
    with suppress(ClipnError):
        return {weights.archive.file: weights.archive for weights in load_weights(registry).records.values()}
    return {}
