"""No file is read twice, and none that changed is taken for the old one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from clipn.files import write_text
from clipn.provenance import hash_cache as module
from clipn.provenance.hash_cache import LEDGER, Ledger
from tests.helpers.records import sha256

DATE = 1_000_000_000_000_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one file."""
    (tmp_path / "file").write_text("old")
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def saved(root: Path) -> Ledger:
    """A ledger that has seen the file and was written."""
    ledger = Ledger(root)
    ledger.sha256("file")
    ledger.save()
    return ledger


def test_the_hash_of_a_file(project: Path) -> None:
    assert Ledger(project).sha256("file") == sha256("old")


def test_a_file_is_read_once(project: Path, read: list[Path]) -> None:
    ledger = Ledger(project)
    assert ledger.sha256("file") == ledger.sha256("file")
    assert names(read) == ["file"]


def test_a_file_is_not_read_by_the_next_process(project: Path, read: list[Path]) -> None:
    saved(project)
    assert Ledger(project).sha256("file") == sha256("old")
    assert names(read) == ["file"]


def test_a_file_is_read_again_where_nothing_was_saved(project: Path, read: list[Path]) -> None:
    Ledger(project).sha256("file")
    Ledger(project).sha256("file")
    assert names(read) == ["file", "file"]


class TestChanges:
    """Each by itself makes the file be read again."""

    @pytest.fixture(autouse=True)
    def known(self, project: Path) -> None:
        os.utime(project / "file", ns=(DATE, DATE))
        saved(project)

    def rewrite(self, project: Path, content: str, date: int) -> None:
        """In place, so that the inode is the same."""
        (project / "file").write_text(content)
        os.utime(project / "file", ns=(date, date))

    def test_size(self, project: Path) -> None:
        self.rewrite(project, "longer", DATE)
        assert Ledger(project).sha256("file") == sha256("longer")

    @pytest.mark.parametrize("step", [-1000, 1000])
    def test_time(self, project: Path, step: int) -> None:
        self.rewrite(project, "new", DATE + step)
        assert Ledger(project).sha256("file") == sha256("new")

    def test_inode(self, project: Path) -> None:
        (project / "other").write_text("new")
        os.utime(project / "other", ns=(DATE, DATE))
        (project / "other").replace(project / "file")
        assert Ledger(project).sha256("file") == sha256("new")

    def test_the_new_hash_is_known_from_then_on(self, project: Path, read: list[Path]) -> None:
        self.rewrite(project, "longer", DATE)
        saved(project)
        Ledger(project).sha256("file")
        assert names(read) == ["file"]


def test_a_missing_file_has_no_hash(project: Path) -> None:
    assert Ledger(project).sha256("gone") is None


def test_a_file_that_was_removed_has_no_hash(project: Path) -> None:
    ledger = saved(project)
    (project / "file").unlink()
    assert ledger.sha256("file") is None


def test_a_link_has_the_hash_of_what_it_leads_to(project: Path) -> None:
    (project / "link").symlink_to("file")
    ledger = Ledger(project)
    assert ledger.sha256("link") == sha256("old")
    (project / "file").write_text("another")
    assert ledger.sha256("link") == sha256("another")


def test_many_files_at_once(project: Path, read: list[Path]) -> None:
    ledger = saved(project)
    for name in ("a", "b"):
        (project / name).write_text(name)
    ledger.read(["file", "a", "b", "gone"])
    assert sorted(names(read)) == ["a", "b", "file"]
    assert [ledger.sha256(name) for name in ("a", "b", "gone")] == [sha256("a"), sha256("b"), None]
    assert len(read) == 3


# Dates


def test_a_new_date_does_not_make_a_file_be_read_again(project: Path, read: list[Path]) -> None:
    ledger = saved(project)
    ledger.keep_date("file", DATE)
    ledger.save()
    assert Ledger(project).sha256("file") == sha256("old")
    assert (project / "file").stat().st_mtime_ns == DATE
    assert names(read) == ["file"]


def test_a_new_date_does_not_hide_a_change(project: Path) -> None:
    ledger = saved(project)
    (project / "file").write_text("edited")
    ledger.keep_date("file", DATE)
    assert ledger.sha256("file") == sha256("edited")


def test_a_new_date_of_a_file_that_was_never_read(project: Path) -> None:
    ledger = Ledger(project)
    ledger.keep_date("file", DATE)
    assert ledger.sha256("file") == sha256("old")


def test_a_link_gets_a_date_of_its_own(project: Path) -> None:
    (project / "link").symlink_to("file")
    before = (project / "file").stat().st_mtime_ns
    Ledger(project).keep_date("link", DATE)
    assert (project / "link").lstat().st_mtime_ns == DATE
    assert (project / "file").stat().st_mtime_ns == before


def test_the_date_of_a_file_of_somebody_else_stays(
    project: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("not the owner")

    ledger, before = saved(project), (project / "file").stat().st_mtime_ns
    monkeypatch.setattr(os, "utime", refuse)
    ledger.keep_date("file", DATE)
    assert (project / "file").stat().st_mtime_ns == before
    assert ledger.sha256("file") == sha256("old")
    assert names(read) == ["file"]


# The file


def test_what_is_saved_is_there_again(project: Path) -> None:
    ledger = saved(project)
    ledger.settings = {"1a": {"seed": 1}}
    ledger.modules = {"2b": {"clipn.training.clipn": "3c"}}
    ledger.running, ledger.written = "1a", {"x.jsonl": "4d"}
    ledger.save()
    again = Ledger(project)
    assert (again.settings, again.modules) == ({"1a": {"seed": 1}}, {"2b": {"clipn.training.clipn": "3c"}})
    assert (again.running, again.written) == ("1a", {"x.jsonl": "4d"})


def test_a_new_project_knows_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert (ledger.settings, ledger.modules, ledger.running, ledger.written) == ({}, {}, None, {})


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\0\0\0"])
def test_a_damaged_ledger_counts_as_empty(project: Path, text: str) -> None:
    ledger = saved(project)
    ledger.running = "1a"
    ledger.save()
    (project / LEDGER).write_text(text)
    again = Ledger(project)
    assert again.running is None
    assert again.sha256("file") == sha256("old")
    again.save()
    assert json.loads((project / LEDGER).read_text())["running"] is None


def test_it_is_written_only_if_something_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(project)
    written: list[str] = []

    def noted(path: Path, text: str) -> None:
        written.append(path.name)
        write_text(path, text)

    monkeypatch.setattr(module, "write_text", noted)
    ledger = saved(project)
    assert written == []
    ledger.running = "1a"
    ledger.save()
    ledger.save()
    assert written == ["ledger.json"]


def test_a_ledger_that_is_no_text_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / LEDGER).parent.mkdir()
    (tmp_path / LEDGER).write_bytes(b"\xff")
    assert Ledger(tmp_path).running is None
