"""The command line: one subcommand per step; each parses, calls and prints, and imports only what it needs."""

import contextlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from clipn import compute, progress
from clipn.cli.captions import captions, crawl, shards
from clipn.cli.data import data_app
from clipn.cli.demo import demo, demo_data
from clipn.cli.detect import detect
from clipn.cli.evaluation import evaluate, score
from clipn.cli.extras import missing_named
from clipn.cli.features import features_app
from clipn.cli.provenance import accept, finished, trace, why
from clipn.cli.published import published_app
from clipn.cli.report import app as report_app
from clipn.cli.scores import scores_app
from clipn.cli.study import study_app
from clipn.cli.training import train
from clipn.cli.weights import backbone_app, checkpoint_app, weights_app
from clipn.compute import MACHINE, USED, Arithmetic
from clipn.errors import ClipnError

app = typer.Typer(
    name="clipn",
    help="Zero-shot out-of-distribution detection by teaching CLIP to say no: the steps of the pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(backbone_app, name="backbone")
app.add_typer(checkpoint_app, name="checkpoint")
app.add_typer(features_app, name="features")
app.add_typer(report_app, name="report")
app.add_typer(scores_app, name="scores")
app.add_typer(study_app, name="study")
app.add_typer(published_app, name="published")
COMMANDS = (
    captions, crawl, shards, trace, why, accept, finished, demo, demo_data, train, score, evaluate, detect
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)

SPIN_COUNT = "10000"
"""How long torch's threads wait busily for each other; the default makes them many times slower on a shared CPU."""

WITHOUT_NUMBERS = (
    "accept", "captions", "crawl", "data", "demo", "finished", "published", "scores", "shards", "study", "trace",
    "weights", "why",
)  # fmt: skip
"""Commands that run on every processor, as they compute nothing that kernels could change."""

INTERRUPTED = 128 + signal.SIGINT
"""Exit status of a job that Ctrl-C ended, as shells have it."""


@app.callback()
def common_options(
    context: typer.Context,
    log: Annotated[Path | None, typer.Option(help="write messages here alone, as jobs of a workflow do")] = None,
    arithmetic: Annotated[
        Arithmetic, typer.Option(envvar=compute.VARIABLE, help="portable: the same digits on every processor")
    ] = "portable",
) -> None:
    """Zero-shot out-of-distribution detection by teaching CLIP to say no: the steps of the pipeline."""
    progress.hidden = os.environ.get("RANK", "0") != "0"
    logged = None
    if log is not None and not progress.hidden:
        progress.lines_only = True
        logged = context.with_resource(_logged(log))
    context.with_resource(missing_named(context))
    machine = [compute.processor()]
    if context.invoked_subcommand not in WITHOUT_NUMBERS:
        compute.hold(arithmetic)
        compute.require_hold()
        machine.append(" ".join([compute.described(), *compute.variables()]))
    if logged:
        logged.write(f"{MACHINE}{', '.join(machine)}\n")


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[IO[str]]:
    """Write standard error and whatever ends the command to a log file, and nothing of it to the terminal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as log, contextlib.redirect_stderr(log):
        log.write(f"{' '.join(sys.argv)}\n")
        try:
            yield log
        except ClipnError as error:
            log.write(f"error: {error}\n")
            sys.exit(error.status)
        except KeyboardInterrupt:
            log.write("interrupted\n")
            sys.exit(INTERRUPTED)
        except Exception:
            traceback.print_exc(file=log)
            sys.exit(1)
        # Not of a command that failed, so that the log ends with its error.
        log.write(f"{USED}{_used()}\n")


def _used() -> str:
    """CPU seconds of this process and its children, such as those that decode images, and the most that one held."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds, peak = sum(part.ru_utime + part.ru_stime for part in used), max(part.ru_maxrss for part in used)
    return f"{seconds:.2f} CPU seconds, {peak // 1024} MiB of memory"


def main() -> None:
    """Run the command line; a person's mistake is one line and exit status 1."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    try:
        app()
    except ClipnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.status)
    except OSError as error:
        print(f"error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
