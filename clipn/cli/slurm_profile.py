"""Write the profile for Slurm: what jobs ask for, enough for some studies."""

import sys
from pathlib import Path
from textwrap import indent

import yaml

from clipn.errors import ClipnError
from clipn.planning.flops import measure
from clipn.planning.needs import Needs, covering_needs, job_needs
from clipn.planning.sizes import StudySizes
from clipn.planning.work import TOKENS
from clipn.study.loading import STUDIES, load_study

FILE = Path("workflow/profiles/slurm/profile.yaml")
TEMPLATE = """\
# `snakemake --workflow-profile workflow/profiles/slurm all` on a login node (docs/cluster.md); not `--profile`, under
# which the limits of one machine, in profiles/default, hold as well.
# Written by `python -m clipn.cli.slurm_profile [STUDY ...]`, here for
# {studies}.
executor: slurm
jobs: 100
local-cores: 2
latency-wait: 60
retries: 2
rerun-incomplete: true
keep-going: true
scheduler: greedy
logger: clipn
default-resources:
  runtime: 60 * attempt
  mem_mb: 2000
# Enough for every job of these studies, by the estimates of `clipn study plan`: minutes, megabytes of memory, cores for
# each GPU. How many GPUs a job has, and the memory of what is not here, the rules say.
set-resources:
{resources}
# What follows the metrics is short: in one job, four at a time. What comes between two of a group has to be in it.
groups:
{groups}
group-components: {{results: 100}}
resources: {{side_by_side: 4}}
set-resource-scopes: {{side_by_side: local}}
"""
RESUMED = "train_clipn"
SAVES = "--signal=TERM@120"
"""Two minutes before the end of its time a training is told to keep its state, from which its next attempt goes on."""
GROUPED = (
    "ood_table",
    "own_ood_table",
    "tables",
    "published_table",
    "streams_table",
    "metrics_summary",
    "id_figures",
    "id_figures_2",
    "ablations_figure",
    "backbones_figure",
    "published_figure",
    "training_figure",
    "report_page",
)
"""Of backbones with a "no" tower more figures are drawn than of those without, so there may be two rules of them."""
MINUTES = 15
"""Of a grouped job; the group has the sum of those that wait for each other."""


def profile(studies: list[str]) -> str:
    """The profile, enough for every one of some studies.

    Raises:
        ClipnError: there is no such study or it is wrong, or an architecture is unknown.
    """
    needs = covering_needs(map(_needs, studies))
    resources = {rule: _resources(rule, needs[rule]) for rule in sorted(needs)}
    resources |= {rule: {"runtime": f"{MINUTES} * attempt", "side_by_side": 1} for rule in GROUPED}
    return TEMPLATE.format(
        studies=", ".join(studies),
        resources=indent(yaml.safe_dump(resources, default_flow_style=None, sort_keys=False, width=120).rstrip(), "  "),
        groups="\n".join(f"  {rule}: results" for rule in GROUPED),
    )


def _needs(name: str) -> dict[str, Needs]:
    study = load_study(name)
    costs = {name: measure(backbone.architecture, TOKENS) for name, backbone in study.backbones.items()}
    return job_needs(study, StudySizes(study), costs)


def _resources(rule: str, needs: Needs) -> dict[str, str | int]:
    """What a job asks for; all that may have been too little is more in its next attempt."""
    resources: dict[str, str | int] = {}
    if needs.minutes:
        # A training goes on where it was, and a longer job than this may fit into no partition.
        resources["runtime"] = needs.minutes if rule == RESUMED else f"{needs.minutes} * attempt"
    if needs.mem_mb:
        resources["mem_mb"] = f"{needs.mem_mb} * attempt"
    if needs.cores:
        resources["cpus_per_gpu"] = needs.cores
    return resources | ({"slurm_extra": f"'{SAVES}'"} if rule == RESUMED else {})


def main() -> None:
    """Write `FILE`, relative to the working directory, for the named studies; else for all of config/studies."""
    studies = sys.argv[1:] or sorted(path.stem for path in STUDIES.glob("*.yaml"))
    try:
        FILE.write_text(profile(studies), encoding="utf-8")
    except ClipnError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
