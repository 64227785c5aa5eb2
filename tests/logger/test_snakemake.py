"""The installed Snakemake with the logger, on a small workflow: what is printed, to a file and to a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Timer

import pytest

from tests.helpers.project import ENVIRONMENT, ROOT

pytestmark = pytest.mark.workflow

SNAKEFILE = """
onstart: logger.info(None, extra={"rule_seconds": {"all": [0.0], "copy": [900.0]}})

rule all:
    input: "a.txt", "b.txt"

rule copy:
    output: "a.txt"
    log: "logs/copy.log"
    shell: "python -S step.py > {output} 2> {log}"

rule count:
    output: "b.txt"
    log: "logs/count.log"
    shell: "(echo counting; echo none; exit 3) > {log} 2>&1"
"""
# One program that says it begins and waits, as a shell between two of them can miss Ctrl-C.
STEP = """
with open("begun", "w") as begun:
    begun.write("begun")
with open("gate") as gate:
    print(gate.readline())
"""
COMMAND = ["snakemake", "--logger", "clipn", "--scheduler", "greedy", "--cores", "2", "--keep-going"]
TYPED = f"go on with: {' '.join(COMMAND)}"
OWN = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "60"}
ENVIRONMENT = {name: value for name, value in ENVIRONMENT.items() if name != "MAKELEVEL"} | OWN
PATIENCE = 60
"""Seconds until a test gives up waiting for a step to begin, or for Snakemake to end."""


class Workflow:
    """A folder in which one step says that it begins and waits at a gate, and another fails."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        (folder / "Snakefile").write_text(SNAKEFILE)
        (folder / "step.py").write_text(STEP)
        self._begun, self._gate = (self._pipe(name, stack) for name in ("begun", "gate"))

    def start(self, *arguments: str, errors: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """Run Snakemake until the step waits."""
        # Ctrl-C is ignored by whatever a shell started in the background, such as these tests.
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=errors,
            text=True, start_new_session=True, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert select.select([self._begun], [], [], PATIENCE)[0], "the step has not begun"
        return process

    def open_gate(self) -> None:
        """Let the step end."""
        os.write(self._gate, b"open\n")

    def _pipe(self, name: str, stack: ExitStack) -> int:
        """A named pipe, held open at both ends so that nobody waits for the other to open it."""
        os.mkfifo(self.folder / name)
        pipe = os.open(self.folder / name, os.O_RDWR)
        stack.callback(os.close, pipe)
        return pipe


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Workflow]:
    with ExitStack() as stack:
        yield Workflow(tmp_path, stack)


def ended(process: "subprocess.Popen[str]", status: int) -> list[str]:
    """The lines that are left to read when a process has ended."""
    assert process.stderr
    # Snakemake that missed a signal would wait at the gate for ever.
    too_late = Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
    too_late.start()
    lines = process.stderr.read().splitlines()
    too_late.cancel()
    assert process.wait() == status
    return lines


def timeless(lines: list[str]) -> list[str]:
    """Lines without durations and the time that is part of a file's name."""
    return [re.sub(r"\d+\.\d s|\d{4}-\d\d-\d\dT\d+\.\d+", "T", line) for line in lines]


def test_a_run(workflow: Workflow) -> None:
    process = workflow.start("a.txt")
    workflow.open_gate()
    assert timeless(ended(process, 0)) == [
        "Building DAG of jobs...",
        "steps to run: 1",
        "[1/1, under a minute left] copy: T",
        "done: 1 of 1 steps, in T",
    ]
    nothing = "Nothing to be done (all requested files are present and up to date)."
    assert ended(workflow.start("a.txt"), 0)[1:] == [nothing]


def test_a_failure_ends_with_its_log_and_the_command_to_go_on(workflow: Workflow) -> None:
    process = workflow.start("all")
    assert process.stderr
    first = [next(process.stderr) for _ in range(3)][-1]
    assert re.fullmatch(r"\[0/3, about 15 min left\] count: failed after \d\.\d s\n", first)
    workflow.open_gate()
    assert timeless(ended(process, 1)) == [
        "[1/3, under a minute left] copy: T",
        "failed: count, returned non-zero exit status 3",
        "  logs/count.log ends with",
        "    counting",
        "    none",
        "1 of 3 steps are done, 1 failed; all messages of Snakemake: .snakemake/log/T.snakemake.log",
        f"{TYPED} all",
    ]


def test_ctrl_c_prints_three_lines(workflow: Workflow) -> None:
    process = workflow.start("a.txt")
    os.killpg(process.pid, signal.SIGINT)
    assert ended(process, 1)[2:] == ["stopped: 0 of 1 steps are done", "were running: copy", f"{TYPED} a.txt"]


def test_sigterm_lets_what_runs_end(workflow: Workflow) -> None:
    process = workflow.start("a.txt", "--until", "copy")
    process.terminate()
    assert process.stderr
    head = [next(process.stderr) for _ in range(5)]
    assert head[2:] == [
        "stopping: 0 of 1 steps are done\n",
        "still running to their end: copy\n",
        f"{TYPED} a.txt --until copy\n",
    ]
    workflow.open_gate()
    assert [line.partition(",")[0] for line in ended(process, 1)] == ["[1/1"]


def test_on_a_terminal_one_line_is_redrawn(workflow: Workflow) -> None:
    master, slave = pty.openpty()
    process = workflow.start("a.txt", errors=slave)
    os.close(slave)
    written = pieces(master)
    text = ""
    while "0 of 1 steps, " not in text:
        text += next(written)
    workflow.open_gate()
    text += "".join(written)
    os.close(master)
    assert process.wait() == 0
    assert re.search(r"0 of 1 steps, about 15 min left; now copy \(\d\.\d s\)", text)
    (shown,) = timeless([" ".join(re.sub(r"\x1b\[[\d?]*[A-Za-z]", "", text).split())])
    assert shown.count("[1/1] copy: T") == 1
    assert shown.endswith(" done: 1 of 1 steps, in T")


def pieces(terminal: int) -> Iterator[str]:
    """What is written to a terminal, until nobody has it open."""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            yield os.read(terminal, 65_536).decode()
        except OSError:
            return


def test_a_dry_run_is_that_of_snakemake(workflow: Workflow) -> None:
    plans = []
    for logger in (["--logger", "clipn"], []):
        command = ["snakemake", *logger, "--dry-run", "--quiet", "host", "all"]
        done = subprocess.run(command, cwd=workflow.folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        plans.append(re.sub(r"^\[.*\]$", "", done.stdout, flags=re.MULTILINE))
    assert plans[0] == plans[1]
    assert "Job stats:" in plans[0]


def test_it_is_not_the_package_of_whoever_installed_it() -> None:
    """It is imported before the Snakefile says which `clipn` runs."""
    code = "import sys, snakemake_logger_plugin_clipn; sys.exit('clipn' in sys.modules)"
    subprocess.run(["python", "-c", code], env=ENVIRONMENT, check=True)
