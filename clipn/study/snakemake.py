"""What Snakemake would run, and why; the only module that drives Snakemake.

Snakemake's public interface prints a plan and does not hand it out, so the plan is taken where its own `--summary`
takes it. The versions that this holds for are fixed in pyproject.toml, and a test looks at every kind of reason.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from clipn.errors import ClipnError
from clipn.study.loading import require_readable

PACKAGE = Path(__file__).parents[1]
P = ParamSpec("P")
T = TypeVar("T")
SNAKEFILE = Path("workflow/Snakefile")
_NUMBER = re.compile(r"_\d+$")
"""What the name of a rule ends in that is one of several; no other name does."""


class Mode(Flag):
    """How outputs are checked; the last two can be combined."""

    CHECK = 0
    """Stop at what nothing vouches for, and write what travels with the results."""
    DRY_RUN = auto()
    """Write nothing that DVC tracks, as somebody only asks."""
    ACCEPT = auto()
    """Let pass files that have no record, or that changed before anyone hashed them, as a person vouches for them."""


class Request(NamedTuple):
    """What Snakemake is asked for.

    Attributes:
        targets: files, or names of rules.
        study: instead of the one in config/config.yaml.
        overlays: files that go before those of the configuration, as `snakemake --configfile` has them.
        forceall: every job behind the targets, as if none had run; its reasons then say nothing.
    """

    targets: Sequence[str]
    study: str | None = None
    overlays: Sequence[Path] = ()
    forceall: bool = False


@dataclass(frozen=True)
class PlannedJob:
    """A job that would run.

    Attributes:
        rule: name of the rule.
        outputs: its files, in the rule's order.
        inputs: its input files, sorted.
        before: texts of the parameters that were recorded and are none now.
        now: texts of the parameters that were not recorded, by name.
        command_changed: whether the rule's command is another, before values are filled in.
        missing: outputs that are needed and not there.
        newer: inputs that are newer than the outputs.
        follows: inputs that other jobs would rebuild.
        incomplete: whether the job was killed.
    """

    rule: str
    outputs: list[str]
    inputs: list[str]
    before: list[str] = field(default_factory=list)
    now: dict[str, str] = field(default_factory=dict)
    command_changed: bool = False
    missing: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    follows: list[str] = field(default_factory=list)
    incomplete: bool = False


class Plan:
    """Snakemake's jobs for some targets.

    Attributes:
        jobs: those that would run, inputs first.
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow
        self._dag = workflow.dag
        ordered = [job for level in self._dag.toposorted() for job in level if not job.rule.norun]
        self._by_output = {str(path): job for job in ordered for path in job.output}
        needed = set(self._dag.needrun_jobs())
        self.jobs = [self._planned(job) for job in ordered if job in needed]

    @property
    def outputs(self) -> list[str]:
        """Outputs of all jobs behind the targets, also of those that would not run."""
        return list(self._by_output)

    @property
    def counts(self) -> dict[str, int]:
        """Jobs that would run by rule, in the order of Snakemake's own table; those that run no command, too.

        Rules of `as_one_rule` count as one.
        """
        found = Counter[str]()
        for rule, number in self._dag.stats()[1].items():
            found[_NUMBER.sub("", rule)] += number
        del found["total"]
        return dict(found)

    def record(self, outputs: Sequence[str]) -> None:
        """Let Snakemake record the jobs of these outputs, as if they had just made the files that are there."""
        persistence = self._workflow.persistence
        for job in {self._by_output[path]: None for path in outputs}:
            self._workflow.async_run(persistence.finished(job))

    def _planned(self, job: Any) -> PlannedJob:
        """A job with its own changes also where it would follow others anyway, which Snakemake does not ask for."""
        reason, persistence = self._dag.reason(job), self._workflow.persistence
        changed = persistence.params_changed(job)
        parameters = [(name, repr(value)) for name, value in job.params._allitems()]
        return PlannedJob(
            rule=job.rule.name,
            outputs=list(map(str, job.output)),
            inputs=sorted(map(str, job.input)),
            before=sorted(changed.only_old),
            now={name or "": text for name, text in parameters if text in changed.only_new},
            command_changed=any(persistence.code_changed(job)),
            missing=sorted(map(str, reason.missing_output)),
            newer=sorted(map(str, reason.updated_input)),
            follows=sorted(map(str, reason.updated_input_run)),
            incomplete=bool(reason.forced),
        )


@contextmanager
def planned(request: Request, mode: Mode = Mode.DRY_RUN) -> Iterator[Plan]:
    """Ask Snakemake what it would do in the working directory.

    Args:
        request: the targets.
        mode: how the Snakefile checks the outputs, which it does before there is a plan; it learns it by `mode_of`.

    Raises:
        ClipnError: this is no project's folder, or one of another package than the one that runs, whose code would be
            compared with; an overlay is wrong; or Snakemake refuses, with its message.
    """
    if not SNAKEFILE.is_file():
        raise ClipnError(f"{SNAKEFILE}: no such file; go to the project's folder")
    here = Path(PACKAGE.name).resolve()
    if here.is_dir() and here != PACKAGE.resolve():
        raise ClipnError(
            f"{PACKAGE.name}: runs from {PACKAGE}, and this project has its own; run `PYTHONPATH=$PWD clipn ...`, or "
            "`make install` here"
        )
    # Snakemake runs what a template says as soon as it is told of the file.
    require_readable(request.overlays)
    # Only now: this import takes longer than all that a command without a plan does.
    from snakemake.api import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        ResourceSettings,
        SnakemakeApi,
    )
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.types import Quietness
    from snakemake_interface_common.exceptions import ApiError

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        try:
            config = {"study": request.study} if request.study else {}
            settings = ConfigSettings(config=config, configfiles=request.overlays)
            # Beside the configuration and not in it, where it would be a setting of the study.
            settings.check_mode = mode
            steps = api.workflow(ResourceSettings(cores=1), config_settings=settings)
            # Killed jobs are in the plan, else Snakemake refuses to make one.
            steps.dag(DAGSettings(targets=frozenset(request.targets), force_incomplete=True))
            workflow = steps._workflow
            workflow.execution_settings = ExecutionSettings()
            workflow._prepare_dag(forceall=request.forceall, ignore_incomplete=False, lock_warn_only=True)
            workflow._build_dag()
        except (ApiError, RuleException, WorkflowError) as error:
            raise ClipnError(f"snakemake: {' '.join(str(error).split())}") from error
        yield Plan(workflow)


def mode_of(workflow: Any) -> Mode:
    """How a Snakefile shall check the outputs.

    Args:
        workflow: as the Snakefile knows it; made by `planned`, or by the command `snakemake`.
    """
    default = Mode.DRY_RUN if workflow.output_settings.dryrun else Mode.CHECK
    mode: Mode = getattr(workflow.config_settings, "check_mode", default)
    return mode


def require_own_profile(workflow: Any) -> None:
    """Refuse a profile for a cluster beside the one for a machine, whose limits would cut down what jobs ask for.

    Args:
        workflow: as a Snakefile knows it.

    Raises:
        ClipnError: both hold, as with `snakemake --profile`.
    """
    settings = workflow.resource_settings
    # Which executor was asked for, Snakemake does not know yet while it reads a Snakefile. Minutes for every job are
    # asked for on a cluster only; a share of the processor, in workflow/profiles/default only.
    if "cpu_percent" in settings.resources and "runtime" in (settings.default_resources or ()):
        raise ClipnError(
            "--profile: workflow/profiles/default holds as well and limits jobs of the cluster to one machine; use "
            "--workflow-profile instead"
        )


def as_one_rule(workflow: Any, first: str, number: int) -> str:
    """Name one of several rules that differ in their outputs alone, and have it ask for what the first one does.

    So `--set-resources` and `--set-threads`, and a profile, name the first one only. Groups have to name each, as
    Snakemake reads them later.

    Args:
        workflow: as a Snakefile knows it.
        first: name of the first of these rules.
        number: of this rule, from 0.
    """
    name = f"{first}_{number + 1}" if number else first
    settings = workflow.resource_settings
    for asked in (settings._parsed_overwrite_resources, settings._parsed_overwrite_threads):
        if first in asked:
            asked[name] = asked[first]
    return name


def or_exit(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call a function from a Snakefile; a person's mistake ends the run with one line."""
    try:
        return function(*arguments, **options)
    except ClipnError as error:
        sys.exit(f"error: {error}")
