"""Records that do not hold any more, as an input is not the one that the job read.

Snakemake compares dates, and lets a file be away if all that was made from it is here. Hashes tell more: of a file that
is here its own, of one that is away the one that its record tells of.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from clipn.ledger import Ledger
from clipn.provenance import JobRecord


def changed_inputs(
    record: JobRecord, records: Mapping[str, JobRecord], ledger: Ledger
) -> dict[str, tuple[str, str | None]]:
    """Inputs that are not those that the job read: sha256 then and now; None: nobody knows.

    Args:
        record: of the job.
        records: of all files, by path.
        ledger: of the project; a file that is away and has no record changes nothing.
    """
    now = {name: _sha256(name, records, ledger) for name in record.hashes if name in records or ledger.sha256(name)}
    return {name: (record.hashes[name], sha256) for name, sha256 in now.items() if sha256 != record.hashes[name]}


def void_paths(records: Mapping[str, JobRecord], ledger: Ledger, begun: AbstractSet[str]) -> set[str]:
    """Files that Snakemake shall make anew, should anything need them, whatever their dates are.

    Args:
        records: by path.
        ledger: of the project.
        begun: files whose job has not ended; Snakemake makes them anew by itself, and what follows.
    """
    changed = {path: changed_inputs(record, records, ledger).keys() for path, record in records.items()}
    return {path for path, names in changed.items() if path not in begun and names - begun}


def _sha256(path: str, records: Mapping[str, JobRecord], ledger: Ledger) -> str | None:
    return ledger.sha256(path) or records[path].sha256
