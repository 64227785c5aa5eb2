"""No file is read twice, and none that changed is taken for the old one."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clipn.provenance.state.hash_cache import HashCache
from tests.helpers.records import sha256

TIME = 1_000_000_000_000_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one file."""
    (tmp_path / "file").write_text("old")
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def saved(root: Path) -> HashCache:
    """A cache that has hashed the file and was written."""
    cache = HashCache(root)
    cache.sha256("file")
    cache.save()
    return cache


def test_the_hash_of_a_file(project: Path) -> None:
    assert HashCache(project).sha256("file") == sha256("old")


def test_a_file_is_read_once(project: Path, read: list[Path]) -> None:
    cache = HashCache(project)
    assert cache.sha256("file") == cache.sha256("file")
    assert names(read) == ["file"]


def test_a_file_is_not_read_by_the_next_process(project: Path, read: list[Path]) -> None:
    saved(project)
    assert HashCache(project).sha256("file") == sha256("old")
    assert names(read) == ["file"]


def test_a_file_is_read_again_where_nothing_was_saved(project: Path, read: list[Path]) -> None:
    HashCache(project).sha256("file")
    HashCache(project).sha256("file")
    assert names(read) == ["file", "file"]


class TestChanges:
    """Each by itself makes the file be read again."""

    @pytest.fixture(autouse=True)
    def known(self, project: Path) -> None:
        os.utime(project / "file", ns=(TIME, TIME))
        saved(project)

    def rewrite(self, project: Path, content: str, time: int) -> None:
        """In place, so that the inode is the same."""
        (project / "file").write_text(content)
        os.utime(project / "file", ns=(time, time))

    def test_size(self, project: Path) -> None:
        self.rewrite(project, "longer", TIME)
        assert HashCache(project).sha256("file") == sha256("longer")

    @pytest.mark.parametrize("step", [-1000, 1000])
    def test_time(self, project: Path, step: int) -> None:
        self.rewrite(project, "new", TIME + step)
        assert HashCache(project).sha256("file") == sha256("new")

    def test_inode(self, project: Path) -> None:
        (project / "other").write_text("new")
        os.utime(project / "other", ns=(TIME, TIME))
        (project / "other").replace(project / "file")
        assert HashCache(project).sha256("file") == sha256("new")

    def test_content_alone(self, project: Path) -> None:
        self.rewrite(project, "new", TIME)
        assert HashCache(project).sha256("file") == sha256("new")

    def test_a_copy_that_keeps_the_time(self, project: Path) -> None:
        before = (project / "file").stat()
        (project / "other").write_text("new")
        os.utime(project / "other", ns=(TIME, TIME))
        subprocess.run(["cp", "-p", "other", "file"], cwd=project, check=True)
        now = (project / "file").stat()
        same = [(state.st_size, state.st_mtime_ns, state.st_ino) for state in (before, now)]
        assert same[0] == same[1]
        assert HashCache(project).sha256("file") == sha256("new")

    def test_a_copy_over_what_a_link_leads_to(self, project: Path) -> None:
        (project / "link").symlink_to("file")
        cache = HashCache(project)
        assert cache.sha256("link") == sha256("old")
        self.rewrite(project, "new", TIME)
        assert cache.sha256("link") == sha256("new")

    def test_a_hard_link_to_it_costs_one_more_reading(self, project: Path, read: list[Path]) -> None:
        os.link(project / "file", project / "other")
        for _ in range(2):
            assert saved(project).sha256("file") == sha256("old")
        assert names(read) == ["file"]

    def test_the_new_hash_is_known_from_then_on(self, project: Path, read: list[Path]) -> None:
        self.rewrite(project, "longer", TIME)
        saved(project)
        HashCache(project).sha256("file")
        assert names(read) == ["file"]


def test_an_entry_of_an_earlier_version_costs_one_more_reading(project: Path, read: list[Path]) -> None:
    file, cache = (project / "file").stat(), project / ".snakemake/hash_cache.json"
    saved(project)
    cache.write_text(json.dumps({"files": {"file": [file.st_size, file.st_mtime_ns, file.st_ino, "another"]}}))
    for _ in range(2):
        assert saved(project).sha256("file") == sha256("old")
    assert names(read) == ["file", "file"]


def test_a_missing_file_has_no_hash(project: Path) -> None:
    assert HashCache(project).sha256("gone") is None


def test_a_file_that_was_removed_has_no_hash(project: Path) -> None:
    cache = saved(project)
    (project / "file").unlink()
    assert cache.sha256("file") is None


def test_a_link_has_the_hash_of_what_it_leads_to(project: Path) -> None:
    (project / "link").symlink_to("file")
    cache = HashCache(project)
    assert cache.sha256("link") == sha256("old")
    (project / "file").write_text("another")
    assert cache.sha256("link") == sha256("another")


def test_many_files_at_once(project: Path, read: list[Path]) -> None:
    cache = saved(project)
    for name in ("a", "b"):
        (project / name).write_text(name)
    cache.hash_files(["file", "a", "b", "gone"])
    assert sorted(names(read)) == ["a", "b", "file"]
    assert [cache.sha256(name) for name in ("a", "b", "gone")] == [sha256("a"), sha256("b"), None]
    assert len(read) == 3


# Times


def test_a_new_time_does_not_make_a_file_be_read_again(project: Path, read: list[Path]) -> None:
    cache = saved(project)
    cache.set_timestamp("file", TIME)
    cache.save()
    assert HashCache(project).sha256("file") == sha256("old")
    assert (project / "file").stat().st_mtime_ns == TIME
    assert names(read) == ["file"]


def test_the_same_time_once_more_does_not_make_a_file_be_read_again(project: Path, read: list[Path]) -> None:
    os.utime(project / "file", ns=(TIME, TIME))
    cache = saved(project)
    cache.set_timestamp("file", TIME)
    cache.save()
    assert HashCache(project).sha256("file") == sha256("old")
    assert names(read) == ["file"]


def test_a_new_time_does_not_hide_a_change(project: Path) -> None:
    cache = saved(project)
    (project / "file").write_text("edited")
    cache.set_timestamp("file", TIME)
    assert cache.sha256("file") == sha256("edited")


def test_a_new_time_of_a_file_that_was_never_read(project: Path) -> None:
    cache = HashCache(project)
    cache.set_timestamp("file", TIME)
    assert cache.sha256("file") == sha256("old")


def test_a_link_gets_a_time_of_its_own(project: Path) -> None:
    (project / "link").symlink_to("file")
    before = (project / "file").stat().st_mtime_ns
    HashCache(project).set_timestamp("link", TIME)
    assert (project / "link").lstat().st_mtime_ns == TIME
    assert (project / "file").stat().st_mtime_ns == before


def test_the_time_of_a_file_of_somebody_else_stays(
    project: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("not the owner")

    cache, before = saved(project), (project / "file").stat().st_mtime_ns
    monkeypatch.setattr(os, "utime", refuse)
    cache.set_timestamp("file", TIME)
    assert (project / "file").stat().st_mtime_ns == before
    assert cache.sha256("file") == sha256("old")
    assert names(read) == ["file"]
