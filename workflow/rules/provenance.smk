"""The check of all outputs before and after a run; no rule in here."""

from clipn.provenance.check import CheckedStudy, check_outputs
from clipn.provenance.records import locked
from clipn.provenance.snakemake import mode_of


def check_results():
    """Check what is there, and write down how it was made."""
    # Hashes files that are read in place now, so that the cache is saved with them.
    contents.images(*study.captions.sources, *study.datasets)
    checked = CheckedStudy(
        study.study, study.model_dump(mode="json"), targets.all_files(paths, FIGURES)
    )
    or_exit(check_outputs, checked, hashes, run_state, fingerprint, mode_of(workflow))


# Jobs read the Snakefile again, each in a process of its own; and a run that holds the lock checks by itself.
if workflow.is_main_process and not locked(hashes.root):
    check_results()
