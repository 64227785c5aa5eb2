"""How many jobs Snakemake would run, as Snakemake itself counts them."""

from clipn.errors import ClipnError
from clipn.study.snakemake import Request, planned


def count_jobs(study: str) -> dict[str, int]:
    """Jobs per rule of a study that starts from nothing, in the order of Snakemake.

    Raises:
        ClipnError: Snakemake refuses the study; the message is Snakemake's, or this project's own.
    """
    try:
        with planned(Request(["all"], study, forceall=True)) as plan:
            return plan.counts
    except SystemExit as error:
        # The Snakefile exits on a user's mistake, and Snakemake does not catch that; here it must not end the program.
        raise ClipnError(f"snakemake: {str(error).removeprefix('error: ')}") from error
