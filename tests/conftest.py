"""Shared fixtures; data beside the checkout is looked for at $CLIPN_TEST_DATA, then ../shared."""

import atexit
import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from compileall import compile_dir
from functools import cache
from pathlib import Path

import pytest
import typer.main
from filelock import FileLock

from clipn import garbage
from clipn.files import file_hash
from clipn.provenance.state import hash_cache
from tests.helpers.checkout import Checkout
from tests.helpers.project import Project, succeeded
from tests.helpers.records import Made
from tests.helpers.server import Server, running
from tests.helpers.warm import warm_programs

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: threads that wait for busy cores cost tests ten times

SHARED = Path(os.environ.get("CLIPN_TEST_DATA", Path(__file__).parents[2] / "shared"))
LACKING = "of $CLIPN_TEST_DATA or ../shared"
MEMORY = Path("/dev/shm")
ROOM = 6 * 2**30
"""Bytes, about twice the most that tests were seen to hold."""


def shared(request: pytest.FixtureRequest, name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {name}/ {LACKING}")
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Path:
    """Folder of figures measured from the authors' code."""
    return shared(request, "golden")


@pytest.fixture
def real(request: pytest.FixtureRequest) -> Path:
    """Folder of real data."""
    return shared(request, "real")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A study as Snakemake leaves it, before the first check."""
    return Made.demo(tmp_path / "here")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were hashed, in order."""
    paths: list[Path] = []

    def noted(path: Path) -> str:
        paths.append(path)
        return file_hash(path)

    monkeypatch.setattr(hash_cache, "file_hash", noted)
    return paths


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the test processes makes which needs it; none changes it later."""
    in_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    folder = (factory.getbasetemp().parent if in_one_of_several else factory.getbasetemp()) / name
    with FileLock(f"{folder}.lock"):
        made = folder.with_name(f"{name}.made")
        if not made.exists():
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of this process in which `snakemake --cores 8 all` has run, on the reduced demo."""

    def make(folder: Path) -> None:
        succeeded(Project.create_reduced(folder).run("snakemake", "--cores", "8", "all"))

    made = Project(made_once(tmp_path_factory, "finished", make))
    return made.copied_to(tmp_path_factory.mktemp("finished") / "project")


@pytest.fixture(scope="session")
def recorded(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A finished run that was recorded and pushed; tests clone it and do not change it."""

    def make(folder: Path) -> None:
        Checkout.record(finished, folder / "origin", folder / "remote")

    return Checkout(made_once(tmp_path_factory, "recorded", make) / "origin")


@pytest.fixture(scope="session")
def pulled(recorded: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Another checkout of it, with all results, in which nothing has run yet; tests copy it and do not change it."""

    def make(folder: Path) -> None:
        # Else every copy of it compiles the package.
        compile_dir(recorded.clone(folder).folder / "clipn", quiet=1)

    return Checkout(made_once(tmp_path_factory, "pulled", make))


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on loopback that misbehaves as it is told to."""
    with running(Server()) as started:
        yield started


def has_room(folder: Path) -> bool:
    """Whether files of tests fit into a folder in memory, and programs among them can be run there."""
    if not folder.is_dir():
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize > ROOM and not system.f_flag & os.ST_NOEXEC


def pytest_configure() -> None:
    garbage.search_less()
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        # Tests write some hundred thousand files, which a disk takes ten times as long to create.
        # For processes to come, and for this one, which has asked where files lie before.
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
    # Before there are other processes, which then share its server.
    warm_programs()
    # Else every command that a test runs in its own process has typer build all of them.
    typer.main.get_command = cache(typer.main.get_command)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files with long tests first, so that short ones fill what is left of the time of each process.
    long = {item.path for item in items if item.get_closest_marker("workflow")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    # What is imported by now stays to the end: to look through it for garbage took a tenth of the time of all tests.
    gc.freeze()
    # Else nanobind, which is in triton, takes it for leaked when the process ends.
    atexit.register(gc.unfreeze)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # Reports, as several processes may have run the tests.
    lacking = [report for report in terminalreporter.stats.get("skipped", []) if LACKING in str(report.longrepr)]
    terminalreporter.write_line(f"{len(lacking)} tests skipped for lack {LACKING}")
