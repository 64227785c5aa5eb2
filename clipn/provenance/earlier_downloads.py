"""Downloads of earlier versions, which lie at the outputs of their jobs and nowhere else."""

from collections.abc import Mapping

from clipn.data.registry import DOWNLOADS
from clipn.data.store import stored_path
from clipn.errors import ClipnError
from clipn.provenance.records import JobRecord
from clipn.provenance.state.hash_cache import HashCache

FETCHES = ("fetch_archive", "fetch_weights")
"""Rules whose outputs come over the network."""


def keep_downloads(records: Mapping[str, JobRecord], cache: HashCache) -> None:
    """Give them a second name in the store, before Snakemake deletes the outputs of jobs that it re-runs.

    Args:
        records: by path; that of a fetch names its code in earlier versions only, and inputs only where it copied them.
        cache: hashes of the project's files.

    Raises:
        ClipnError: the store is on another disk, or on one without hard links.
    """
    fetches = {path: record for path, record in records.items() if record.rule in FETCHES}
    for path in [path for path, record in fetches.items() if record.code and not record.inputs]:
        file = cache.root / path
        if file.is_symlink() or not file.is_file():
            continue
        stored = stored_path(file.name, str(cache.sha256(path)), cache.root / DOWNLOADS)
        stored.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not stored.exists():
                stored.hardlink_to(file)
        except OSError as error:
            remedy = f"move it to {DOWNLOADS / file.name}, and the study's other downloads beside it"
            raise ClipnError(f"{path}: a re-run would delete it ({stored}: {error.strerror}); {remedy}") from error
