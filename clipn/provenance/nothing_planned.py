"""Snakemake's word that nothing is to be done, and the contents of the files that it is given for."""

from pathlib import Path

from clipn.provenance.records import locked, read_records
from clipn.provenance.stages import RECORD_FILES
from clipn.provenance.state.run_state import RunState
from clipn.study.run_lock import only_run
from clipn.study.snakemake import Mode, Request, planned


def files_if_nothing_is_planned(root: Path) -> dict[str, str] | None:
    """sha256 of all results, their sources and the files of records, by path; None if Snakemake has anything to do.

    Args:
        root: the working directory.
    """
    try:
        with only_run(root), planned(Request(["all"]), Mode.CHECK) as plan:
            jobs, outputs = plan.jobs, plan.outputs
    except (Exception, SystemExit):  # whatever it is, the run of Snakemake that follows says it
        return None
    records = read_records(root)
    made = [records[path] for path in outputs if path in records]
    if jobs or len(made) < len(outputs) or locked(root) or not all(record.is_complete for record in made):
        return None
    # As the records tell and not as they are, so that an edit in this moment is noticed, too.
    inputs = {path: sha256 for record in made for path, sha256 in record.hashes.items()}
    written = RunState(root).written
    stages = {path: written.get(path, "") for file in root.glob(RECORD_FILES) if (path := str(file.relative_to(root)))}
    return inputs | {path: str(records[path].sha256) for path in outputs} | stages
