"""The demo as a project in a folder of its own."""

import sys
from pathlib import Path

import pytest

from clipn.demo.project import PARTS, run_project, write_project
from clipn.errors import ClipnError
from tests.helpers.project import ROOT

SNAKEMAKE = """#!/bin/sh
kill -INT $PPID
echo "$@" > said
echo "$PATH" >> said
exit {status}
"""
"""In place of Python: Ctrl-C reaches the caller, and then it ends."""


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for part in PARTS for path in [folder / part, *(folder / part).rglob("*")] if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def snakemake(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    program = folder / "bin/python"
    program.parent.mkdir()
    program.write_text(SNAKEMAKE.format(status=status))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_a_new_folder_gets_the_files_of_the_checkout(tmp_path: Path) -> None:
    write_project(tmp_path / "a/b")
    assert contents(tmp_path / "a/b") == contents(ROOT)
    assert {path.name for path in (tmp_path / "a/b").iterdir()} == set(PARTS)


def test_an_installed_package_gives_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path / "installed")
    (tmp_path / "installed/config/config.yaml").write_text("study: real\n")
    monkeypatch.setattr("clipn.data.packaged.INSTALLED", tmp_path / "installed")
    write_project(tmp_path / "project")
    assert contents(tmp_path / "project") == contents(tmp_path / "installed")


def test_a_project_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "config/config.yaml").write_text("study: real\n")
    write_project(tmp_path)
    assert (tmp_path / "config/config.yaml").read_text() == "study: real\n"


@pytest.mark.parametrize("there", ["photo.jpg", "workflow/Snakefile", "config/config.yaml"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, there: str) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).touch()
    with pytest.raises(ClipnError, match=f"^{tmp_path}: is neither an empty folder nor a project; name another"):
        write_project(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / there]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClipnError, match=f"^{tmp_path}/file: is neither"):
        write_project(tmp_path / "file")


def test_the_demo_runs_in_its_folder_with_the_programs_of_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snakemake(tmp_path, monkeypatch, status=0)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    run_project(tmp_path)
    arguments, path = (tmp_path / "said").read_text().splitlines()
    assert arguments == "-m snakemake all --config study=demo"
    assert path == f"{tmp_path}/bin:/usr/bin:/bin"


def test_a_demo_that_did_not_finish_says_how_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snakemake(tmp_path, monkeypatch, status=1)
    with pytest.raises(ClipnError, match=f"the demo is not finished; `clipn demo --run {tmp_path}` goes on$"):
        run_project(tmp_path)
