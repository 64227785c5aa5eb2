"""Lines for a person, and progress with time left: a bar at a terminal, a line now and then for a workflow's job."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar, cast

from tqdm import tqdm

from clipn.plain_text import one_line as one_line

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0

lines_only = not sys.stderr.isatty()
"""Set by the command line when output goes to a log or is shared with other jobs."""

hidden = False
"""Set by the command line in all but the first of several processes."""


class _Lines:
    """A stream that turns tqdm's redrawing into whole lines."""

    def write(self, text: str) -> None:
        if line := text.strip("\r\n\x1b[A "):
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()


@contextmanager
def progress(total: int | None, what: str, unit: str, done: int = 0) -> Iterator["tqdm[Any]"]:
    """A progress meter to `update(n)`, `done` at its start; shows share, rate and time left."""
    if lines_only:
        form: str | None = "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} {unit}, {rate_fmt}, {remaining} left"
        interval, stream = SECONDS_BETWEEN_LINES, cast(TextIO, _Lines())
        form = form if total else "{desc}: {n_fmt} {unit}, {rate_fmt}"
    else:
        form, interval, stream = None, 0.1, sys.stderr
    with tqdm(
        disable=hidden, total=total, initial=done, desc=what, unit=f" {unit}", unit_scale=True,
        bar_format=form, file=stream, mininterval=interval, maxinterval=interval, leave=False,
        delay=interval if lines_only else 0,
    ) as meter:  # fmt: skip
        yield meter


def tracked(items: Iterable[T], total: int | None, what: str, unit: str) -> Iterator[T]:
    """Yield `items`, showing progress."""
    with progress(total, what, unit) as meter:
        for item in items:
            yield item
            meter.update()


def write_line(line: str) -> None:
    """Write a line to standard output, above the bars of a terminal."""
    tqdm.write(line, file=sys.stdout)


def warn(line: str) -> None:
    """Write a line to standard error, above the bars of a terminal; nothing where progress is hidden."""
    if not hidden:
        tqdm.write(one_line(line), file=sys.stderr)
