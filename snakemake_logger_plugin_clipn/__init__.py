"""What one sees of a run: a line for every finished step and, on a terminal, one that is redrawn.

Snakemake finds this package by its name, before it reads the Snakefile, which only then says whose `clipn` runs. So
nothing in here imports `clipn`: in a copy of the project that shares an environment, it would be that of another.
"""

import logging
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_clipn.run import Run

if TYPE_CHECKING:
    from rich.live import Live


class LogHandler(LogHandlerBase):
    """Snakemake's messages as few lines on standard error; its own log in `.snakemake/log` has them all."""

    has_filter = True
    has_formatter = True
    needs_rulegraph = False
    writes_to_file = False

    def __post_init__(self) -> None:
        self._run: Run | None = Run(typed_command(), is_redrawn=sys.stderr.isatty())
        self._line: Live | None = None

    @property
    def writes_to_stream(self) -> bool:
        """Whether anything is written; who asks for the plan, for more or for less gets Snakemake's own output."""
        asked = self.common_settings
        special = (asked.printshellcmds, asked.verbose, asked.debug_dag, asked.show_failed_logs)
        return not (asked.dryrun or asked.quiet or any(special))

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a message of Snakemake makes worth writing."""
        if not self._run or not self.writes_to_stream:
            return
        try:
            self._write(self._run.lines(vars(record)))
            self._draw(self._run)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write how the run ended."""
        if self._run and self.writes_to_stream:
            self._erase()
            self._write(self._run.end(_snakemake_log()))
        self._run = None
        super().close()

    def _write(self, lines: list[str]) -> None:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()

    def _draw(self, run: Run) -> None:
        """Keep the redrawn line where it belongs."""
        if not run.is_going_on:
            self._erase()
        elif self._line:
            self._line.refresh()
        elif sys.stderr.isatty():
            self._line = _redrawn_line(run)
            self._line.start()

    def _erase(self) -> None:
        if self._line:
            self._line.stop()
            self._line = None


def typed_command() -> str:
    """The command that runs, as it can be typed again; `make` knows where the program is, and the shell may not."""
    program, *arguments = sys.argv
    # `python -m snakemake` is known by the file that it runs.
    program = program.removesuffix("/__main__.py")
    words = os.path.relpath(program) if "MAKELEVEL" in os.environ else Path(program).name
    return shlex.join([words, *arguments])


def _redrawn_line(run: Run) -> "Live":
    """The progress of a run, cut at the width of the terminal; what is written meanwhile goes above it."""
    # Only now: a run that has nothing to do needs none of it.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def line() -> Text:
        return Text(run.progress(time.time()), no_wrap=True, overflow="ellipsis")

    return Live(console=Console(stderr=True), get_renderable=line, refresh_per_second=1, transient=True)


def _snakemake_log() -> str | None:
    """The file that Snakemake writes all of its messages to."""
    from snakemake.logging import logger

    files = [handler.baseFilename for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    return os.path.relpath(files[0]) if files else None
