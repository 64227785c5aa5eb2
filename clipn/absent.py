"""Records of files that are not here, and whether they still tell of what was made from them.

Snakemake lets a file be away if all that was made from it is here. That is right as long as the file that its job would
make is the one that was read, which hashes tell and dates cannot.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from clipn.ledger import Ledger
from clipn.provenance import JobRecord
from clipn.record_files import ancestors

VOID = "what was made from it read another one"
"""The parameter of a void record, which no job has; so Snakemake makes the file anew, and all that follows."""


def void_records(
    targets: Iterable[str], records: Mapping[str, JobRecord], ledger: Ledger
) -> Iterator[tuple[str, JobRecord]]:
    """Void records for those files before `targets` that are not here and do not fit their neighbours.

    One that was made from other files than are here does not fit, nor one that is not what its successors read.

    Args:
        targets: results; those that are not here need nothing.
        records: by path.
        ledger: of the project.
    """
    here = [path for path in targets if ledger.sha256(path)]
    chain = [path for path in ancestors(here, records) if path in records]
    read: dict[str, set[str]] = defaultdict(set)
    for path in chain:
        for name, sha256 in records[path].hashes.items():
            read[name].add(sha256)
    for path in chain:
        record = records[path]
        if ledger.sha256(path) is None and record.sha256 and not _fits(path, record, read[path], records, ledger):
            yield path, replace(record, content={**record.content, "params": [repr(VOID)]}, sha256=None)


def _fits(path: str, record: JobRecord, read: set[str], records: Mapping[str, JobRecord], ledger: Ledger) -> bool:
    now = {name: ledger.sha256(name) or (records[name].sha256 if name in records else None) for name in record.inputs}
    unchanged = all(now[name] in (None, sha256) for name, sha256 in record.hashes.items())
    return unchanged and read <= {record.sha256}
