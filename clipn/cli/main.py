"""The command line: one subcommand per step; each parses, calls and prints, and imports only what it needs."""

import contextlib
import functools
import inspect
import os
import re
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Annotated, Any, get_args

import typer

from clipn import compute, garbage, progress
from clipn.cli.captions import captions, crawl, shards
from clipn.cli.data import data_app
from clipn.cli.demo import demo, demo_data, demo_network
from clipn.cli.detect import detect
from clipn.cli.evaluation import evaluate, evaluate_streams, fit, fit_probe, import_probe, score
from clipn.cli.extras import missing_named
from clipn.cli.features import features_app
from clipn.cli.provenance import accept, finished, trace, why
from clipn.cli.published import published_app
from clipn.cli.report import app as report_app
from clipn.cli.scores import scores_app
from clipn.cli.store import store_app
from clipn.cli.study import study_app
from clipn.cli.training import train
from clipn.cli.weights import backbone_app, checkpoint_app, weights_app
from clipn.compute import MACHINE, USED, Arithmetic
from clipn.errors import ClipnError
from clipn.files import identity, protected, require_replaceable

app = typer.Typer(
    name="clipn",
    help="Zero-shot out-of-distribution detection by teaching CLIP to say no: the steps of the pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(backbone_app, name="backbone")
app.add_typer(checkpoint_app, name="checkpoint")
app.add_typer(features_app, name="features")
app.add_typer(report_app, name="report")
app.add_typer(scores_app, name="scores")
app.add_typer(store_app, name="store")
app.add_typer(study_app, name="study")
app.add_typer(published_app, name="published")
COMMANDS = (
    captions, crawl, shards, trace, why, accept, finished, demo, demo_data, demo_network, train, fit,
    fit_probe, import_probe, score, evaluate, evaluate_streams, detect,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)


def _overwriting_nothing(function: Callable[..., None]) -> Callable[..., None]:
    """A command that is refused before any work if an output is an input, a folder, or another output.

    Outputs are the parameters that are marked as `writable`; of what it writes below a folder, nothing is an input.
    """
    told = {name: get_args(parameter.annotation) for name, parameter in inspect.signature(function).parameters.items()}
    outputs = {name for name, parts in told.items() if any(getattr(part, "writable", False) for part in parts)}

    @functools.wraps(function)
    def command(**arguments: Any) -> None:
        several = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in arguments.items()}
        texts = {name: [str(value) for value in values if value is not None] for name, values in several.items()}
        written = [Path(text) for name in texts if name in outputs for text in texts[name]]
        named = Counter(path.resolve() for path in written)
        read = (text for name in texts if name not in outputs for text in texts[name])
        protected.update(identity(file) for text in read for file in _named_files(text))
        try:
            for path in written:
                require_replaceable(path)
                if named[path.resolve()] > 1:
                    raise ClipnError(f"{path}: is named as two outputs; give each a file of its own")
            function(**arguments)
        finally:
            protected.clear()

    return command


def _named_files(text: str) -> Iterator[str]:
    """Files that an argument names, as a whole or behind a colon or an equals sign, as in `DATASET:FILE`."""
    starts = [0, *(found.end() for found in re.finditer("[:=]", text))]
    return filter(os.path.isfile, (text[start:] for start in starts))


def _guard(commands: typer.Typer) -> None:
    """Let no command, of a group or not, overwrite what it reads."""
    for command in commands.registered_commands:
        command.callback = _overwriting_nothing(command.callback) if command.callback else None
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _guard(group.typer_instance)


_guard(app)

SPIN_COUNT = "10000"
"""How long torch's threads wait busily for each other; the default makes them many times slower on a shared CPU."""

WITHOUT_NUMBERS = (
    "accept", "captions", "crawl", "data", "demo", "finished", "published", "scores", "shards", "store", "study",
    "trace", "weights", "why",
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
    arguments = [text for before, text in pairwise(sys.argv) if before != "--log" and not text.startswith("--log")]
    if path.exists() and any(path.samefile(file) for text in arguments for file in _named_files(text)):
        raise ClipnError(
            f"--log {path}: is an argument of the command, too, and would be overwritten; name another file"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as log, contextlib.redirect_stderr(log):
        log.write(f"{' '.join(sys.argv)}\n")
        try:
            yield log
        except ClipnError as error:
            log.write(f"error: {progress.one_line(str(error))}\n")
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
    garbage.search_less()
    try:
        app()
    except ClipnError as error:
        print(f"error: {progress.one_line(str(error))}", file=sys.stderr)
        sys.exit(error.status)
    except OSError as error:
        reason = f"{error.filename or 'input or output'}: {error.strerror or error}"
        print(f"error: {progress.one_line(reason)}", file=sys.stderr)
        sys.exit(1)
