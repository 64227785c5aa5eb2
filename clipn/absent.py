"""Records of files that are not here, and whether they still tell of what was made from them.

Snakemake lets a file be away if all that was made from it is here. That is right as long as the file that its job would
make is the one that was read, which hashes tell and dates cannot.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from clipn.ledger import Ledger
from clipn.provenance import JobRecord
from clipn.record_files import ancestors


def void_paths(targets: Iterable[str], records: Mapping[str, JobRecord], ledger: Ledger) -> set[str]:
    """Files before `targets` that are not here and whose records do not fit their neighbours.

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
    away = (path for path in chain if ledger.sha256(path) is None)
    return {path for path in away if not _fits(records[path], read[path], records, ledger)}


def _fits(record: JobRecord, read: set[str], records: Mapping[str, JobRecord], ledger: Ledger) -> bool:
    now = {name: ledger.sha256(name) or (records[name].sha256 if name in records else None) for name in record.inputs}
    unchanged = all(now[name] in (None, sha256) for name, sha256 in record.hashes.items())
    return unchanged and (record.sha256 is None or read <= {record.sha256})
