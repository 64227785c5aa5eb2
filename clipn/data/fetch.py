"""Fetch the archives of several records."""

from collections.abc import Sequence
from pathlib import Path

from clipn.data.download import FetchJob, fetch_archives
from clipn.data.registry import Registry
from clipn.errors import ClipnError
from clipn.progress import warn


def fetch_records(
    names: Sequence[str],
    registry: Registry,
    archives: Path,
    base: Path,
    file: str | None = None,
    cleaning: Sequence[str] = (),
    parallel: int = 4,
    mirror: Path | None = None,
) -> None:
    """Fetch all archives of some records, each once, also where several records name it.

    Args:
        names: of the records.
        registry: the records.
        archives: folder to write to.
        base: folder that relative addresses start from.
        file: the one archive of a single record that is fetched, and no other.
        cleaning: cleaning lists that are fetched, too, for the records that have them.
        parallel: archives at a time.
        mirror: as for `fetch_archives`.

    Raises:
        ClipnError: as `fetch_archives`; there is no record, archive or cleaning list of a name; or `file` is given
            for several records.
    """
    if file is not None and len(names) > 1:
        raise ClipnError(f"--file {file}: is of a single dataset; name one and not {', '.join(names)}")
    registry.require_cleaning(cleaning)
    chosen = {
        archive.file: (name, archive)
        for name in names
        for archive in ([registry.archive(name, file)] if file is not None else registry.archives(name, cleaning))
    }
    jobs = [FetchJob(name, archive, base, archives / archive.file) for name, archive in chosen.values()]
    try:
        fetch_archives(jobs, parallel, mirror=mirror)
    except KeyboardInterrupt:
        # Who stops a download of days wants to know first whether it was in vain.
        warn("interrupted; the same command goes on where it was")
        raise
