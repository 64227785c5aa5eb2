"""One run at a time changes a project, and a killed one keeps nobody out."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.study.run_lock import begin_run, only_run
from clipn.study.snakemake import Mode
from tests.helpers.project import ENVIRONMENT

ANOTHER = ".snakemake/run.lock: another run is going on in this folder"
RUN = """
from pathlib import Path
from clipn.study.run_lock import begin_run
from clipn.study.snakemake import Mode
begin_run(Path(), Mode.CHECK, lambda: print("checked", flush=True))
input()
"""


@contextmanager
def run_elsewhere(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun a run in a project, until the block ends."""
    command = [sys.executable, "-c", RUN]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "checked\n"
        try:
            yield process
        finally:
            process.kill()


def checks(root: Path, mode: Mode) -> bool:
    """Whether a run checks the outputs of a project."""
    checked: list[bool] = []
    begin_run(root, mode, lambda: checked.append(True))
    return bool(checked)


@pytest.mark.parametrize("mode", [Mode.CHECK, Mode.ACCEPT])
def test_of_two_runs_the_second_says_so(tmp_path: Path, mode: Mode) -> None:
    with run_elsewhere(tmp_path), pytest.raises(ClipnError) as caught:
        begin_run(tmp_path, mode, pytest.fail)
    assert str(caught.value).startswith(f"{ANOTHER}; wait until it has ended")


def test_who_only_asks_meanwhile_checks_nothing_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_elsewhere(tmp_path):
        begin_run(tmp_path, Mode.DRY_RUN, pytest.fail)
    assert capsys.readouterr().err == f"{ANOTHER}, so results are not checked now\n"


def test_a_folder_that_takes_no_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".snakemake").touch()
    with pytest.raises(ClipnError, match=r"^\.snakemake/run\.lock: File exists; run in a folder where you may write$"):
        begin_run(tmp_path, Mode.CHECK, pytest.fail)
    begin_run(tmp_path, Mode.DRY_RUN, pytest.fail)
    assert capsys.readouterr().err == ".snakemake/run.lock: File exists, so results are not checked now\n"


def test_nobody_waits_for_who_only_asks(tmp_path: Path) -> None:
    assert checks(tmp_path, Mode.DRY_RUN)
    with run_elsewhere(tmp_path):
        pass


def test_nobody_changes_what_is_being_checked(tmp_path: Path) -> None:
    def run_meanwhile() -> None:
        command = [sys.executable, "-c", RUN]
        second = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert ANOTHER in second.stderr

    begin_run(tmp_path, Mode.DRY_RUN, run_meanwhile)


@pytest.mark.parametrize("mode", [Mode.CHECK, Mode.DRY_RUN])
def test_a_killed_run_keeps_nobody_out(tmp_path: Path, mode: Mode) -> None:
    with run_elsewhere(tmp_path) as run:
        run.send_signal(signal.SIGKILL)
        run.wait()
        with only_run(tmp_path):
            assert checks(tmp_path, mode)


def test_a_lock_that_snakemake_left_is_none(tmp_path: Path) -> None:
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").write_text("results/tables/x.csv\n")
    assert checks(tmp_path, Mode.DRY_RUN)


def test_a_process_may_begin_while_it_is_the_only_one_and_is_no_longer_afterwards(tmp_path: Path) -> None:
    with only_run(tmp_path), only_run(tmp_path):
        assert checks(tmp_path, Mode.ACCEPT)
    with run_elsewhere(tmp_path):
        pass
