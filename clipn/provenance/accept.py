"""A person's word that results still hold although settings or code have changed, or that they belong to them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from clipn.errors import ClipnError
from clipn.provenance.check import trusting
from clipn.provenance.hash_cache import Ledger
from clipn.provenance.records import JobRecord, read_records, remove_record, write_record
from clipn.provenance.snakemake import Plan, Request, planned
from clipn.provenance.why import reasons

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
        ClipnError: a file is missing, or was made from other inputs than those that are here.
    """
    before = read_records(root)
    accepted: dict[str, list[str]] = {}
    with trusting():
        try:
            while found := _round(request, root):
                accepted |= found
            with planned(request, dry=False):
                pass  # the look writes down what was accepted
        except BaseException:
            _restore(accepted, before, root)
            raise
    return accepted


def _round(request: Request, root: Path) -> dict[str, list[str]]:
    """Accept what Snakemake sees now; what follows from that, it sees only after it. The last round finds nothing."""
    with planned(request) as plan:
        before, accepted = read_records(root), _acceptable(plan, root)
        plan.record(list(accepted))
    _note(accepted, before, root)
    return accepted


def _restore(accepted: Mapping[str, list[str]], before: Mapping[str, JobRecord], root: Path) -> None:
    for path in accepted:
        if path in before:
            write_record(root, path, before[path])
        else:
            remove_record(root, path)


def _acceptable(plan: Plan, root: Path) -> dict[str, list[str]]:
    """What there is to accept, by path."""
    records, found = read_records(root), reasons(plan.jobs, root)
    for reason in found:
        if reason.causes and not reason.can_be_accepted:
            path = reason.job.outputs[0]
            remedy = f"make it anew with `snakemake {path}`"
            raise ClipnError(f"{path}: {reason.causes[0]}; only changes of settings and code can be accepted; {remedy}")
    changed = {path: reason.causes for reason in found for path in reason.job.outputs if reason.causes}
    unknown = [path for path in plan.outputs if path not in records and (root / path).exists()]
    return changed | {path: [WITHOUT_RECORD] for path in unknown}


def _note(accepted: Mapping[str, list[str]], before: Mapping[str, JobRecord], root: Path) -> None:
    """Add to the new records what was accepted, and what Snakemake does not record."""
    ledger = Ledger(root)
    for path, record in read_records(root).items():
        if path in accepted:
            hashes = {name: sha256 for name in record.inputs if (sha256 := ledger.sha256(name))}
            causes = (*(before[path].accepted if path in before else ()), *accepted[path])
            noted = replace(record, sha256=ledger.sha256(path), settings=ledger.running, accepted=causes)
            write_record(root, path, noted.with_hashes(hashes))
    ledger.save()
