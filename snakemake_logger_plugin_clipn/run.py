"""What Snakemake's messages tell of a run, and the lines of it that are worth printing."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_clipn.times import Pace, duration

Message = Mapping[str, Any]
"""The fields of a record of `logging`, and those that Snakemake adds to it."""
NOISE = (
    "Assuming unrestricted shared filesystem usage",
    "Using shell: ",
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete successfully",
)
"""How messages begin that say nothing, or less than the end of a run does."""
STOPPING = {
    "Terminating processes on user request": ("stopped", "were running"),
    "Will exit after finishing currently running jobs": ("stopping", "still running to their end"),
}
"""How messages begin when Ctrl-C or SIGTERM ends a run, and what then becomes of it and of its steps."""
INCOMPLETE = re.compile(r"^Job (\d+) +completed successfully, but", re.MULTILINE)
"""In the message on a step that left out a file; no other says that the step failed."""
INTERRUPTED = ("status 130", "SIGINT: 2>")
"""How the reason ends of a step that Ctrl-C reached sooner than Snakemake."""
LAST_LINES = 10
"""Lines that are shown of the logs of all failed steps together."""
LARGEST_END = 65_536
"""Bytes of a log that these lines are looked for in."""


@dataclass(frozen=True)
class Step:
    """A job of Snakemake.

    Attributes:
        name: its rule and wildcards.
        rule: the rule alone.
        logs: its log files.
        runs: whether it runs anything; a rule like `all` only asks for files.
        started: when, in seconds since the epoch.
        reason: why it failed; empty if it did not.
    """

    name: str
    rule: str
    logs: Sequence[str]
    runs: bool
    started: float
    reason: str = ""


class Run:
    """One call of Snakemake, as far as its messages have told.

    Args:
        command: what was typed.
        is_redrawn: whether `progress` is shown, too; if not, every finished step tells the time left.
    """

    def __init__(self, command: str, is_redrawn: bool) -> None:
        self._command = command
        self._is_redrawn = is_redrawn
        self._total, self._done = 0, 0
        self._began, self._now = 0.0, 0.0
        self._pace = Pace({})
        self._running: dict[int, Step] = {}
        self._failed: dict[int, Step] = {}
        self._causes: dict[str, str] = {}
        self._stop = ""

    @property
    def is_going_on(self) -> bool:
        """Whether steps start and end."""
        return bool(self._total) and not self._stop

    def lines(self, message: Message) -> list[str]:
        """What a message makes worth printing."""
        self._now = message["created"]
        take = {
            None: self._other,
            LogEvent.RUN_INFO: self._begin,
            LogEvent.JOB_INFO: self._start,
            LogEvent.JOB_FINISHED: self._finish,
            LogEvent.ERROR: self._error,
            LogEvent.JOB_ERROR: self._job_error,
        }.get(message.get("event"))
        return take(message) if take else []

    def progress(self, now: float) -> str:
        """Where the run is.

        Args:
            now: in seconds since the epoch.
        """
        # Called from another thread than all else, so what may change meanwhile is copied first.
        running, failed = list(self._running.values()), len(self._failed)
        parts = [f"{self._done} of {self._total} steps", self._left(now), f"{failed} failed" if failed else ""]
        steps = ", ".join(f"{step.name} ({duration(now - step.started)})" for step in running)
        return f"{', '.join(filter(None, parts))}{f'; now {steps}' if steps else ''}"

    def end(self, snakemake_log: str | None) -> list[str]:
        """What is left to say when Snakemake ends.

        Args:
            snakemake_log: file with all of its messages.
        """
        if not self._total or (self._stop and not self._failed):
            return []
        if self._done == self._total:
            return [f"done: {self._total} of {self._total} steps, in {duration(self._now - self._began)}"]
        count = max(1, LAST_LINES // max(1, len(self._failed)))
        lines = [line for step in self._failed.values() for line in _failure(step, count)]
        numbers = f"{self._done} of {self._total} steps are done, {len(self._failed)} failed"
        where = f"; all messages of Snakemake: {snakemake_log}" if snakemake_log else ""
        return [*lines, f"{numbers}{where}", f"go on with: {self._command}"]

    def _begin(self, message: Message) -> list[str]:
        jobs = {rule: number for rule, number in message["stats"].items() if rule != "total"}
        self._pace, self._began, self._total = Pace(jobs), self._now, message["stats"]["total"]
        return [f"steps to run: {self._total}"]

    def _start(self, message: Message) -> list[str]:
        rule, job = message["rule_name"], message["jobid"]
        name = " ".join([rule, *(f"{key}={value}" for key, value in message["wildcards"].items())])
        self._failed.pop(job, None)
        self._running[job] = Step(name, rule, message["log"], message["shellcmd"] is not None, self._now)
        self._pace.start(rule)
        return []

    def _finish(self, message: Message) -> list[str]:
        step = self._running.pop(message["job_id"])
        self._done += 1
        seconds = self._now - step.started
        self._pace.finish(step.rule, seconds)
        return [f"{self._position()} {step.name}: {duration(seconds)}"] if step.runs else []

    def _error(self, message: Message) -> list[str]:
        text = str(message["msg"])
        if message["threadName"] != "MainThread":
            self._causes[message["threadName"]] = text
            return []
        if incomplete := INCOMPLETE.search(text):
            return self._fail(int(incomplete[1]), text)
        return self._other(message)

    def _job_error(self, message: Message) -> list[str]:
        return self._fail(message["jobid"], self._causes.pop(message["threadName"], ""))

    def _fail(self, job: int, cause: str) -> list[str]:
        """A step failed; its cause ends with the reason, after the command if that failed."""
        if self._stop == "stopped":
            return []
        step = self._running.pop(job)
        reason = cause.rpartition("\n")[2].rpartition("' ")[2].rstrip(".")
        self._failed[job] = replace(step, reason=reason)
        if reason.endswith(INTERRUPTED):
            return []
        return [f"{self._position()} {step.name}: failed after {duration(self._now - step.started)}"]

    def _other(self, message: Message) -> list[str]:
        text = str(message["msg"])
        if "rule_seconds" in message:
            self._pace.learn(message["rule_seconds"])
        for beginning, words in STOPPING.items():
            if text.startswith(beginning):
                return [] if self._stop else self._end_early(*words)
        is_detail = self._total and message["levelno"] < logging.WARNING
        return [] if is_detail or text.startswith(NOISE) or "rule_seconds" in message else [text]

    def _end_early(self, stop: str, become: str) -> list[str]:
        self._stop = stop
        interrupted = {job: step for job, step in self._failed.items() if step.reason.endswith(INTERRUPTED)}
        self._failed = {job: step for job, step in self._failed.items() if job not in interrupted}
        steps = ", ".join(step.name for step in (interrupted | self._running).values())
        done = f"{stop}: {self._done} of {self._total} steps are done"
        return [done, f"{become}: {steps or 'none'}", f"go on with: {self._command}"]

    def _position(self) -> str:
        left = "" if self._is_redrawn else self._left(self._now)
        return f"[{self._done:>{len(str(self._total))}}/{self._total}{left and f', {left}'}]"

    def _left(self, now: float) -> str:
        running = [(step.rule, now - step.started) for step in list(self._running.values())]
        return self._pace.left(running, now - self._began)


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log that have any text; none if there is no log."""
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LARGEST_END))
        lines = stream.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-count:]


def _failure(step: Step, count: int) -> Iterator[str]:
    """Why a step failed, and how its logs end."""
    yield f"failed: {step.name}{step.reason and f', {step.reason}'}"
    for log in step.logs:
        lines = last_lines(Path(log), count)
        yield f"  {log} {'ends with' if lines else 'says nothing'}"
        yield from (f"    {line}" for line in lines)
