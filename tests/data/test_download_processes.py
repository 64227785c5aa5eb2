"""Fetches that are killed, run out of disk, or meet another one of the same file."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipn.data.download import fetch_archive
from tests.helpers.fetching import archive, assert_fetched, part_of
from tests.helpers.server import FAR_TOO_LONG, Response, Server

FETCH = """
import sys
from pathlib import Path
from clipn.data.download import fetch_archive
from clipn.data.registry import Archive
from clipn.errors import ClipnError

def fetch():
    try:
        fetch_archive(Archive.model_validate_json(sys.argv[1]), Path(), Path(sys.argv[2]))
    except ClipnError as error:
        sys.exit(str(error))
"""
TELL_WHAT_IS_WRITTEN = """
from clipn.data.verification.checks import Inspection
update = Inspection.update

def told(inspection, block):
    update(inspection, block)  # of bytes that are on the disk
    print(inspection.size, flush=True)

Inspection.update = told
"""


@pytest.fixture(autouse=True)
def _downloads_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.tar.gz"


@pytest.fixture
def child(output: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Fetch in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(address: str, before: str = "") -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", f"{FETCH}{before}\nfetch()", archive(address).model_dump_json(), str(output)]
        path = os.pathsep.join(sys.path)
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | {"PYTHONPATH": path})
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=FAR_TOO_LONG)


Child = Callable[..., "subprocess.Popen[str]"]


def test_a_full_disk_is_named_and_the_next_run_goes_on(server: Server, output: Path, child: Child) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    process = child(server.at("/a"), limited)
    _, message = process.communicate(timeout=FAR_TOO_LONG)
    assert process.returncode == 1
    part = part_of(archive())
    why = "not enough disk space for the 155,744 bytes still to come (File too large)"
    assert message == f"{part}: {why}; the 100,000 bytes so far are kept there; free some and run again\n"
    fetch_archive(archive(server.at("/a")), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=100000-"]


def test_of_two_processes_one_fetches_and_both_end_well(server: Server, output: Path, child: Child) -> None:
    address = server.at("/a", Response(stall=9))
    first = child(address)
    assert server.stalled.acquire(timeout=FAR_TOO_LONG)
    second = child(address)
    assert second.stderr is not None
    assert second.stderr.readline() == f"{output}: wait for another process that fetches it\n"
    server.released.set()
    assert [process.wait(FAR_TOO_LONG) for process in (first, second)] == [0, 0]
    assert_fetched(output)
    assert server.ranges == [None]


def test_a_process_that_is_killed_is_gone_on_from(server: Server, output: Path, child: Child) -> None:
    address = server.at("/a", Response(stall=100_000), Response())
    process = child(address, TELL_WHAT_IS_WRITTEN)
    assert process.stdout is not None
    assert any(int(line) == 100_000 for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    assert process.wait(FAR_TOO_LONG) == -signal.SIGKILL
    assert not output.exists()
    fetch_archive(archive(address), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=100000-"]


SEVERAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)

def fetch():
    from clipn.data.download import FetchJob, fetch_archives
    record = Archive.model_validate_json(sys.argv[1])
    records = {name: record.model_copy(update={"file": name}) for name in "abc"}
    fetch_archives([FetchJob("sun", records[name], Path(), Path(sys.argv[2]).with_name(name)) for name in records], 2)
"""


def test_an_interruption_ends_several_fetches_at_once(server: Server, output: Path, child: Child) -> None:
    process = child(server.at("/a", Response(stall=9)), SEVERAL)
    assert all(server.stalled.acquire(timeout=FAR_TOO_LONG) for _ in range(2))
    process.send_signal(signal.SIGINT)
    assert process.wait(FAR_TOO_LONG / 2) != 0
    assert len(server.log) == 2
    assert not output.parent.exists()
