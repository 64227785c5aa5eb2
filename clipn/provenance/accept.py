"""A person's word that results still hold although settings or code have changed, or that they belong to them."""

from dataclasses import replace
from pathlib import Path

from clipn.errors import ClipnError
from clipn.provenance.records import read_records, remove_record, write_record
from clipn.provenance.renamed import renamed_records
from clipn.provenance.stage_files import all_records
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.why import reasons
from clipn.study.run_lock import only_run
from clipn.study.snakemake import Mode, Request, planned

WITHOUT_RECORD = "no record"


def accept(request: Request, root: Path) -> dict[str, list[str]]:
    """Record targets and all behind them as made by the code and settings of now, where nothing else has changed.

    The records say what was accepted, and so does `clipn trace`.

    Args:
        request: the targets.
        root: the working directory.

    Returns:
        What was accepted, by path.

    Raises:
        ClipnError: a file is missing, or was made from other inputs than those that are here; or another run goes on.
    """
    with only_run(root):
        return _accept_all(request, root)


def _accept_all(request: Request, root: Path) -> dict[str, list[str]]:
    """Accept until nothing is left; if that fails, all records are again as they were."""
    before = read_records(root)
    accepted: dict[str, list[str]] = {}
    try:
        # What follows from an accepted change, Snakemake sees only after it, so it is asked until it finds nothing.
        while found := _accept_planned(request, root):
            accepted |= found
        with planned(request, Mode.ACCEPT):
            pass  # this check writes the records that travel, which it shall not before all is accepted
    except BaseException:  # also a Snakefile that ends the run
        for path in accepted:
            if path in before:
                write_record(root, path, before[path])
            else:
                remove_record(root, path)
        raise
    return accepted


def _accept_planned(request: Request, root: Path) -> dict[str, list[str]]:
    """Accept all changes that Snakemake sees now; of a study that was renamed, first the records of its old name."""
    with planned(request, Mode.ACCEPT | Mode.DRY_RUN) as plan:
        before = read_records(root)
        unknown = [path for path in plan.outputs if path not in before and (root / path).exists()]
        if renamed := _take_over(unknown, root):
            return renamed
        found = [reason for reason in reasons(plan.jobs, root) if not reason.says_another_name]
        for reason in found:
            # A job that follows one that is left to be re-run is re-run with it.
            if reason.causes and not reason.can_be_accepted and not reason.job.follows:
                path = reason.job.outputs[0]
                remedy = f"only changes of settings and code can be accepted; re-run its job with `snakemake {path}`"
                raise ClipnError(f"{path}: {reason.causes[0]}; {remedy}")
        changed = [reason for reason in found if reason.causes and reason.can_be_accepted]
        accepted = {path: reason.causes for reason in changed for path in reason.job.outputs}
        accepted |= {path: [WITHOUT_RECORD] for path in unknown}
        plan.record(list(accepted))
    cache = HashCache(root)
    for path, record in read_records(root).items():
        if path in accepted:
            # Snakemake records no hash of large inputs, and none of the output.
            hashes = {name: sha256 for name in record.inputs if (sha256 := cache.sha256(name))}
            then = before.get(path, record)
            noted = replace(
                record,
                sha256=cache.sha256(path),
                accepted=(*then.accepted, *accepted[path]),
                made_with=then.made_with,
            )
            write_record(root, path, noted.with_hashes(hashes))
    cache.save()
    return accepted


def _take_over(paths: list[str], root: Path) -> dict[str, list[str]]:
    """Give files without a record the one that they have under another study's name, where there is one."""
    cache = HashCache(root)
    renamed = renamed_records(paths, all_records(root), cache) if paths else {}
    for path, record in renamed.items():
        write_record(root, path, record)
    cache.save()
    return {path: [record.accepted[-1]] for path, record in renamed.items()}
