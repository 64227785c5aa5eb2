"""How many jobs Snakemake would run, as Snakemake itself says."""

import re
import shutil
import subprocess

from clipn.errors import ClipnError

ROW = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
TOTAL = "total"
PREAMBLE = ("Using workflow", "Config file", "Assuming unrestricted")
"""How lines begin that Snakemake writes before anything can go wrong."""


def count_jobs(study: str) -> dict[str, int]:
    """Jobs per rule of a study that starts from nothing, in the order of Snakemake.

    Raises:
        ClipnError: Snakemake is not installed, or refuses the study; the message is Snakemake's.
    """
    program = shutil.which("snakemake")
    if program is None:
        raise ClipnError("snakemake: not found on PATH; activate the environment of this project or run `make install`")
    command = [program, "-n", "all", "--forceall", "--quiet", "rules", "--config", f"study={study}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ClipnError(f"snakemake: {complaint(done.stdout)}")
    return parse_jobs(done.stdout)


def parse_jobs(text: str) -> dict[str, int]:
    """Jobs per rule in the table that Snakemake prints; without one, there is none."""
    _, _, table = text.partition("Job stats:\n")
    return {rule: int(count) for rule, count in ROW.findall(table.partition(f"\n{TOTAL} ")[0])}


def complaint(text: str) -> str:
    """What went wrong in one line: this project's own message if there is one, else all that Snakemake said of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(PREAMBLE)]
    own = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return " ".join(own or lines) or "failed and said nothing; run `snakemake -n all`"
