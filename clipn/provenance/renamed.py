"""Records of a study that was renamed: what made its files under the old name, by their hashes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from clipn.provenance.records import JobRecord
from clipn.provenance.state.hash_cache import HashCache
from clipn.study.paths import study_folder, study_of


def renamed_records(paths: Iterable[str], records: Mapping[str, JobRecord], cache: HashCache) -> dict[str, JobRecord]:
    """Records of files that were made, with the same contents, at the same place in the folder of another study.

    Args:
        paths: of files without a record.
        records: of all studies, by path.
        cache: hashes of the project's files.
    """
    made = {}
    for path, record in records.items():
        if place := study_of(path):
            study, within = place
            made[within, record.sha256] = study, record
    found = {}
    for path in paths:
        if (place := study_of(path)) and (other := made.get((place[1], cache.sha256(path)))):
            old, record = other
            found[path] = _renamed(record, old, place[0])
    return found


def _renamed(record: JobRecord, old: str, new: str) -> JobRecord:
    """A record whose inputs lie in the folder of the new name; its command stays as it was run."""

    def moved(path: str) -> str:
        place = study_of(path)
        return f"{study_folder(new)}/{place[1]}" if place and place[0] == old else path

    inputs = sorted(map(moved, record.content.get("input") or []))
    checksums = {moved(path): checksum for path, checksum in (record.content.get("input_checksums") or {}).items()}
    content = {**record.content, "input": inputs, "input_checksums": checksums}
    return replace(record, content=content, accepted=(*record.accepted, f"made as study {old}"), stale=False)
