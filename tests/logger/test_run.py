"""Snakemake's messages in, lines out."""

import logging
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_clipn.run import Run, last_lines

COMMAND = "snakemake --cores 8 all"
FINAL = "WorkflowError:\nAt least one job did not complete successfully."


class Told(Run):
    """A run whose messages come one per second."""

    def __init__(self, *, is_redrawn: bool = True) -> None:
        super().__init__(COMMAND, is_redrawn)
        self.now = 1000.0

    def tell(self, text: str | None = None, level: int = logging.INFO, **fields: Any) -> list[str]:
        self.now += 1
        return self.lines(
            {"created": self.now, "threadName": "MainThread", "levelno": level, "msg": str(text), **fields}
        )

    def begin(self, **stats: int) -> list[str]:
        stats["total"] = sum(stats.values())
        return self.tell("Job stats:", event=LogEvent.RUN_INFO, stats=stats)

    def start(self, job: int, rule: str, log: str = "", shell: str | None = "true", **wildcards: str) -> list[str]:
        fields = {"jobid": job, "rule_name": rule, "wildcards": wildcards, "log": [log] if log else []}
        return self.tell(event=LogEvent.JOB_INFO, shellcmd=shell, **fields)

    def finish(self, job: int) -> list[str]:
        return self.tell(f"Finished jobid: {job}", event=LogEvent.JOB_FINISHED, job_id=job)

    def fail(self, job: int, how: str = "returned non-zero exit status 1.") -> list[str]:
        text = f"RuleException:\nCalledProcessError in file \"Snakefile\", line 1:\nCommand 'set -e; false' {how}"
        thread = f"Pool_{job}"
        assert self.tell(text, logging.ERROR, event=LogEvent.ERROR, threadName=thread) == []
        return self.tell("Error", logging.ERROR, event=LogEvent.JOB_ERROR, jobid=job, threadName=thread)


@pytest.fixture
def run() -> Told:
    return Told()


def test_a_line_for_every_finished_step_and_none_for_a_target(run: Told) -> None:
    assert run.begin(train=1, score=1, all=1) == ["steps to run: 3"]
    assert run.start(1, "train", backbone="tiny", seed="2") == []
    assert run.start(2, "score") == []
    assert run.finish(1) == ["[1/3] train backbone=tiny seed=2: 2.0 s"]
    assert run.finish(2) == ["[2/3] score: 2.0 s"]
    assert run.start(0, "all", shell=None) == []
    assert run.finish(0) == []
    assert run.end("snakemake.log") == ["done: 3 of 3 steps, in 6.0 s"]


def test_numbers_of_steps_stand_below_each_other(run: Told) -> None:
    run.begin(train=100)
    run.start(1, "train")
    assert run.finish(1) == ["[  1/100] train: 1.0 s"]


def test_the_progress_says_what_is_done_and_left_and_runs_now(run: Told) -> None:
    run.begin(train=4)
    assert run.progress(run.now) == "0 of 4 steps"
    run.start(1, "train", seed="1")
    run.start(2, "train", seed="2")
    assert run.progress(run.now) == "0 of 4 steps; now train seed=1 (1.0 s), train seed=2 (0.0 s)"
    run.tell(rule_seconds={"train": [100.0]})
    now = "train seed=1 (50 s), train seed=2 (49 s)"
    assert run.progress(run.now + 48) == f"0 of 4 steps, about 3 min left; now {now}"
    run.fail(2)
    run.finish(1)
    assert run.progress(run.now) == "1 of 4 steps, about 2 min left, 1 failed"


def test_where_no_line_is_redrawn_every_step_tells_the_time_left() -> None:
    run = Told(is_redrawn=False)
    run.begin(train=3)
    assert run.tell(rule_seconds={"train": [599.0]}) == []
    run.start(1, "train")
    assert run.finish(1) == ["[1/3, about 10 min left] train: 1.0 s"]


def test_of_the_many_messages_during_a_run_only_warnings_are_shown(run: Told) -> None:
    assert run.tell("Building DAG of jobs...") == ["Building DAG of jobs..."]
    assert run.tell("Assuming unrestricted shared filesystem usage.") == []
    assert run.tell("Workflow has started!", event=LogEvent.WORKFLOW_STARTED) == []
    assert run.tell("Using shell: /usr/bin/bash") == []
    run.begin(train=1)
    assert run.tell("Select jobs to execute...") == []
    assert run.tell("Execute 1 jobs...", event=LogEvent.JOB_STARTED, jobs=[1]) == []
    run.start(1, "train")
    assert run.tell("Shell command: true", event=LogEvent.SHELLCMD) == []
    assert run.tell("The disk is nearly full.", logging.WARNING) == ["The disk is nearly full."]
    assert run.tell(event=LogEvent.PROGRESS, done=1, total=1) == []


def test_an_error_before_the_run_is_shown_as_snakemake_says_it(run: Told) -> None:
    assert run.tell("MissingRuleException:\nNo rule", logging.ERROR, event=LogEvent.ERROR) == [
        "MissingRuleException:\nNo rule"
    ]
    assert run.end("snakemake.log") == []


class TestFailures:
    """What failed, the end of its log, and the command to go on."""

    def test_one(self, run: Told, tmp_path: Path) -> None:
        log = tmp_path / "train.log"
        log.write_text("".join(f"line {number}\n" for number in range(20)))
        run.begin(train=1, score=1, all=1)
        run.start(1, "train", str(log), seed="2")
        assert run.fail(1) == ["[0/3] train seed=2: failed after 2.0 s"]
        assert run.tell("Exiting because a job execution failed. Look above", logging.ERROR) == []
        assert run.tell(FINAL, logging.ERROR, event=LogEvent.ERROR) == []
        assert run.end("snakemake.log") == [
            "failed: train seed=2, returned non-zero exit status 1",
            f"  {log} ends with",
            *(f"    line {number}" for number in range(10, 20)),
            "0 of 3 steps are done, 1 failed; all messages of Snakemake: snakemake.log",
            f"go on with: {COMMAND}",
        ]

    def test_several_share_the_lines(self, run: Told, tmp_path: Path) -> None:
        run.begin(train=4)
        for job in range(4):
            log = tmp_path / f"{job}.log"
            log.write_text("one\ntwo\nthree\n")
            run.start(job, "train", str(log), seed=str(job))
            run.fail(job)
        lines = run.end("snakemake.log")
        assert [line for line in lines if line.startswith("    ")] == ["    two", "    three"] * 4
        assert lines[-2].startswith("0 of 4 steps are done, 4 failed; ")

    def test_without_a_log(self, run: Told, tmp_path: Path) -> None:
        run.begin(train=2)
        run.start(1, "train")
        run.start(2, "train", str(tmp_path / "none.log"))
        run.fail(1, "died with <Signals.SIGKILL: 9>.")
        run.fail(2)
        assert run.end(None) == [
            "failed: train, died with <Signals.SIGKILL: 9>",
            "failed: train, returned non-zero exit status 1",
            f"  {tmp_path}/none.log says nothing",
            "0 of 2 steps are done, 2 failed",
            f"go on with: {COMMAND}",
        ]

    def test_an_output_that_is_missing(self, run: Told) -> None:
        run.begin(train=1)
        run.start(7, "train")
        text = "MissingOutputException in rule train:\nJob 7  completed successfully, but some files are missing:\na"
        assert run.tell(text, logging.ERROR, event=LogEvent.ERROR) == ["[0/1] train: failed after 1.0 s"]
        assert run.end(None)[0] == "failed: train, a"

    def test_a_step_that_is_tried_again(self, run: Told) -> None:
        run.begin(train=1)
        run.start(1, "train")
        run.fail(1)
        run.start(1, "train")
        run.finish(1)
        assert run.end(None) == ["done: 1 of 1 steps, in 5.0 s"]

    def test_snakemake_itself(self, run: Told) -> None:
        run.begin(train=1)
        assert run.tell("OSError: no space", logging.ERROR, event=LogEvent.ERROR) == ["OSError: no space"]
        assert run.end(None) == ["0 of 1 steps are done, 0 failed", f"go on with: {COMMAND}"]


class TestStopping:
    """Three lines, whatever fails in consequence."""

    KILLED = "Terminating processes on user request, this might take some time."
    DRAINED = "Will exit after finishing currently running jobs (scheduler)."

    def test_by_ctrl_c(self, run: Told) -> None:
        run.begin(train=3)
        run.start(1, "train", seed="1")
        run.start(2, "train", seed="2")
        assert run.is_going_on
        # It may reach a step before it reaches Snakemake.
        assert run.fail(1, "returned non-zero exit status 130.") == []
        assert run.tell(self.KILLED) == [
            "stopped: 0 of 3 steps are done",
            "were running: train seed=1, train seed=2",
            f"go on with: {COMMAND}",
        ]
        assert not run.is_going_on
        assert run.fail(2, "died with <Signals.SIGINT: 2>.") == []
        assert run.tell(FINAL, logging.ERROR, event=LogEvent.ERROR) == []
        assert run.end("snakemake.log") == []

    def test_by_sigterm(self, run: Told) -> None:
        run.begin(train=3)
        run.start(1, "train", seed="1")
        assert run.tell(self.DRAINED) == [
            "stopping: 0 of 3 steps are done",
            "still running to their end: train seed=1",
            f"go on with: {COMMAND}",
        ]
        assert run.finish(1) == ["[1/3] train seed=1: 2.0 s"]
        assert run.tell(self.DRAINED) == []
        assert run.end("snakemake.log") == []

    def test_failures_before_it_are_listed(self, run: Told) -> None:
        run.begin(train=3)
        run.start(1, "train")
        run.fail(1)
        assert run.tell(self.KILLED)[1] == "were running: none"
        assert run.end(None)[0] == "failed: train, returned non-zero exit status 1"


def test_the_last_lines_of_a_log_are_those_with_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100_000 + b"\none\rtwo\n\n \xff\n\n")
    assert last_lines(log, 3) == ["one", "two", " \N{REPLACEMENT CHARACTER}"]
