"""A person's word that results still hold although settings or code have changed, or that they belong to them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from clipn import guard
from clipn.errors import ClipnError
from clipn.ledger import Ledger
from clipn.planned import Plan, Request, planned
from clipn.provenance import read_records, write_record
from clipn.why import reasons

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
    guard.trusting = True
    try:
        with planned(request) as plan:
            accepted = _acceptable(plan, root)
            plan.record(list(accepted))
            _note(accepted, root)
        with planned(request):
            pass  # the look at all results, with the new records
    finally:
        guard.trusting = False
    return accepted


def _acceptable(plan: Plan, root: Path) -> dict[str, list[str]]:
    """What there is to accept, by path."""
    records, found = read_records(root), reasons(plan.jobs, root)
    for reason in found:
        if reason.causes and not reason.can_be_accepted:
            raise ClipnError(
                f"{reason.job.outputs[0]}: {reason.causes[0]}; only changes of settings and code can be accepted, so "
                "make it anew"
            )
    changed = {path: reason.causes for reason in found for path in reason.job.outputs if reason.causes}
    unknown = [path for path in plan.outputs if path not in records and (root / path).exists()]
    return changed | {path: [WITHOUT_RECORD] for path in unknown}


def _note(accepted: Mapping[str, list[str]], root: Path) -> None:
    """Add to the new records what was accepted, and what Snakemake does not record."""
    ledger = Ledger(root)
    for path, record in read_records(root).items():
        if path in accepted:
            hashes = {name: sha256 for name in record.inputs if (sha256 := ledger.sha256(name))}
            noted = replace(record, sha256=ledger.sha256(path), settings=ledger.running, accepted=tuple(accepted[path]))
            write_record(root, path, noted.with_hashes(hashes))
    ledger.save()
