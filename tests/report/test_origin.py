"""Which code a record names."""

import shutil
import subprocess
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.report.origin import commit

GIT = ("git", "-c", "user.name=n", "-c", "user.email=e@example.org")


@pytest.fixture(autouse=True)
def outside_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    for command in (["init"], ["commit", "--allow-empty", "-m", "m"], ["tag", "-a", "v1", "-m", "m"]):
        subprocess.run([*GIT, *command], check=True, capture_output=True)
    head = subprocess.run([*GIT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert commit() == head[:12]
    (tmp_path / "file").write_text("new")
    subprocess.run([*GIT, "add", "file"], check=True)
    assert commit() == f"{head[:12]}-dirty"


@pytest.mark.parametrize("path", ["", None])
def test_without_git_or_a_commit(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if path is not None:
        monkeypatch.setenv("PATH", path)
    with pytest.raises(ClipnError, match="no commit to name; run `git init` and commit, or work in a clone"):
        commit()
