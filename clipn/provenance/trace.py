"""The way back from a result to what made it: every file with its job, its hash now, and what no longer agrees."""

import functools
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from clipn.data.description import RESULTS, read_description
from clipn.data.registry import Archive, load_registry
from clipn.data.weights_registry import load_weights
from clipn.errors import ClipnError
from clipn.provenance.records import METADATA, JobRecord, incomplete_outputs, locked
from clipn.provenance.stage_files import all_records, ancestors
from clipn.provenance.state.hash_cache import HashCache

SHORT = 12
"""Digits of a sha256 that people are shown."""


class Verification(NamedTuple):
    """What the description of a dataset says of one of its archives; None where it says nothing."""

    state: str | None
    sha256: str | None


NOT_VERIFIED = Verification(None, None)


@dataclass(frozen=True)
class TracedFile:
    """One file and the job that made it.

    Attributes:
        path: relative to the project.
        record: its job; None for a file from outside the workflow.
        sha256: of the file as it is now; of one that is not here, as its job left it; None if nobody knows.
        here: whether the file is here.
        origin: of an archive or weight file, where its registry says that it comes from.
        verification: of an archive, how far its bytes are verified.
        faults: what is wrong with the file, for people.
        changed: inputs that are not what the job read, with the sha256 that they had then.
    """

    path: str
    record: JobRecord | None
    sha256: str | None
    here: bool
    origin: str | None
    verification: str | None
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


def trace(target: Path, root: Path) -> dict[str, TracedFile]:
    """All that a file was made from, itself first, by path in the project `root`.

    Raises:
        ClipnError: the file is outside the project, or there is no record of how it was made.
    """
    return trace_in(all_records(root), target, root)


def trace_in(records: Mapping[str, JobRecord], target: Path, root: Path) -> dict[str, TracedFile]:
    """As `trace`, where these are all records that are known."""
    cache = HashCache(root)
    path = _recorded_path(target, root, records)
    files = list(ancestors([path], records))
    cache.hash_files(files)
    if not locked(root):  # else a run has the file, and saves what it hashed itself
        cache.save()
    verifications, incomplete = _verifications(files, records, root), incomplete_outputs(root)
    recorded = {file: records[file].sha256 for file in files if file in records}
    hashes = {file: cache.sha256(file) or recorded.get(file) for file in files}
    traced = {}
    for file in files:
        record, sha256, verification = records.get(file), hashes[file], verifications.get(file, NOT_VERIFIED)
        faults = []
        if sha256 is None:
            faults.append("missing")
        elif verification.sha256 not in (None, sha256):
            faults.append(f"is not the archive that was proven, {verification.sha256:.{SHORT}}")
        elif recorded.get(file) not in (None, sha256):
            faults.append(f"is not as it was made, {recorded[file]:.{SHORT}}")
        if file in incomplete:
            faults.append("its job has not ended")
        read = record.hashes if record else {}
        # Of an input of which nobody knows what it is now, nobody can say that it changed.
        changed = {name: then for name, then in read.items() if hashes[name] not in (None, then)}
        here, origin = cache.sha256(file) is not None, _origin(record, file, root)
        traced[file] = TracedFile(file, record, sha256, here, origin, verification.state, faults, changed)
    return traced


def _recorded_path(target: Path, root: Path, records: Mapping[str, JobRecord]) -> str:
    path = os.path.relpath(root / target, root)
    if Path(path).parts[:1] == (os.pardir,):
        raise ClipnError(f"{target}: is outside this folder; run `clipn trace` in the project that made it")
    if path in records:
        return path
    if not records:
        raise ClipnError(f"{METADATA}: no record of any job; go to the project's folder, or run `snakemake {path}`")
    # Without a cutoff, as people know what they look for and not how its path is spelled.
    near = get_close_matches(path, records, n=3, cutoff=0.0)
    remedy = f"make it with `snakemake {path}`, or name another, e.g. {', '.join(near)}"
    raise ClipnError(f"{path}: no record of how it was made; {remedy}")


def _verifications(files: list[str], records: Mapping[str, JobRecord], root: Path) -> dict[str, Verification]:
    """What `clipn data verify` found of the archives among `files`."""
    found, behind = {}, set(files)
    for path, record in records.items():
        archives = {Path(file).name: file for file in record.inputs if file in behind}
        if Path(path).name == RESULTS[-1] and archives:
            with suppress(ClipnError):  # a description that is missing or damaged proves nothing
                description = read_description(root / path)
                for name in archives.keys() & description.archives.keys():
                    found[archives[name]] = Verification(description.proof[name], description.archives[name])
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


@functools.cache
def _archives(registry: Path) -> dict[str, Archive]:
    """All archives of a registry of datasets or of weights, by file name; none of one that cannot be read."""
    with suppress(ClipnError):
        data = load_registry(registry)
        known = (
            archive for name in (*data.records, *data.words) for archive in data.archives(name, data.cleaning_names)
        )
        return {archive.file: archive for archive in known}
    with suppress(ClipnError):
        return {weights.archive.file: weights.archive for weights in load_weights(registry).records.values()}
    return {}
