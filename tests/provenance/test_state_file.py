"""What this machine knows is there again in the next process, also where an earlier version wrote it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipn.files import write_text
from clipn.fingerprint.source import Definition, Source
from clipn.provenance.state import state_file as module
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.provenance.state.state_file import OLD, StateFile
from tests.helpers.records import sha256

STATE = Path(".snakemake/run_state.json")
HASH = "5e" * 32
KEYS = st.sampled_from(["files", "file", "modules", "definitions", "written", "x"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one file."""
    (tmp_path / "file").write_text("old")
    return tmp_path


def saved(root: Path, **written: str) -> RunState:
    """The state of a run, and a cache that has hashed the file, both written."""
    cache, state = HashCache(root), RunState(root)
    cache.sha256("file")
    cache.save()
    state.written |= written
    state.save()
    return state


def test_what_is_saved_is_there_again(project: Path) -> None:
    state = saved(project)
    state.modules = {"2b": {"clipn.training.clipn": "3c"}}
    sources = {"5e": Source({"itbo": Definition("6f", ["clipn.losses.tso"])}, {"losses": "clipn.losses"})}
    state.sources = sources
    state.written = {"x.jsonl": "4d"}
    state.save()
    again = RunState(project)
    assert (again.modules, again.written) == ({"2b": {"clipn.training.clipn": "3c"}}, {"x.jsonl": "4d"})
    assert again.sources == sources


def test_a_new_project_knows_nothing(tmp_path: Path) -> None:
    state = RunState(tmp_path)
    assert (state.modules, state.sources, state.written) == ({}, {}, {})


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\0\0\0"])
def test_a_damaged_file_counts_as_empty(project: Path, text: str) -> None:
    saved(project, x="4d")
    for name in ("run_state.json", "hash_cache.json"):
        (project / ".snakemake" / name).write_text(text)
    again = RunState(project)
    assert again.written == {}
    assert HashCache(project).sha256("file") == sha256("old")
    again.save()
    assert json.loads((project / STATE).read_text())["written"] == {}


EXPECTED = {
    "modules": {"2b": {"m": "3c"}},
    "definitions": {"5e": Source({"f": Definition("6f", [])}, {})},
    "written": {"x": "4d"},
}
ODD: tuple[Any, ...] = (None, 3, "x", [], [3], *({"file": odd} for odd in (3, [], [1, 2, 3, 4, 5], {"a": 1}, [{}])))


@pytest.mark.parametrize("name", ["ledger.json", "hash_cache.json"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_hashes_are_made_again(project: Path, name: str, odd: Any) -> None:
    write_text(project / ".snakemake" / name, json.dumps({"files": odd}))
    cache = HashCache(project)
    cache.hash_files(["file"])
    cache.set_timestamp("file", 1)
    cache.save()
    assert HashCache(project).sha256("file") == sha256("old")


def test_what_is_no_hash_is_none(project: Path) -> None:
    file = (project / "file").stat()
    known = [file.st_size, file.st_mtime_ns, file.st_ctime_ns, file.st_ino, "no hash"]
    write_text(project / ".snakemake/hash_cache.json", json.dumps({"files": {"file": known}}))
    assert HashCache(project).sha256("file") == sha256("old")


@pytest.mark.parametrize("name", ["ledger.json", "run_state.json"])
@pytest.mark.parametrize("key", ["modules", "definitions", "written"])
@pytest.mark.parametrize("odd", [*ODD, {"file": [{"f": ["3c", 4]}, {}]}, {"file": [{"f": ["3c", []]}, 5]}])
def test_an_odd_part_of_the_state_counts_as_empty(project: Path, name: str, key: str, odd: Any) -> None:
    whole = {"modules": {"2b": {"m": "3c"}}, "definitions": {"5e": [{"f": ["6f", []]}, {}]}, "written": {"x": "4d"}}
    write_text(project / ".snakemake" / name, json.dumps(whole | {key: odd}))
    state = RunState(project)
    known = {"modules": state.modules, "definitions": state.sources, "written": state.written}
    assert known.pop(key) == {}
    assert known == {name: expected for name, expected in EXPECTED.items() if name != key}
    state.save()
    assert RunState(project).written == state.written


@settings(max_examples=60, deadline=None)
@given(content=ANYTHING, name=st.sampled_from(["ledger.json", "hash_cache.json", "run_state.json"]))
def test_whatever_a_file_holds_is_survived(
    tmp_path_factory: pytest.TempPathFactory, content: object, name: str
) -> None:
    root = tmp_path_factory.mktemp("project")
    (root / "file").write_text("old")
    write_text(root / ".snakemake" / name, json.dumps(content))
    assert saved(root, x="4d").written["x"] == "4d"
    assert HashCache(root).sha256("file") == sha256("old")
    assert RunState(root).written["x"] == "4d"


def test_a_file_that_cannot_be_read_counts_as_empty(project: Path) -> None:
    write_text(project / STATE, "[" * 100_000)
    assert RunState(project).written == {}


def test_a_file_that_is_no_text_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / STATE).parent.mkdir()
    (tmp_path / STATE).write_bytes(b"\xff")
    assert RunState(tmp_path).written == {}


def test_it_is_written_only_if_something_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(project)
    written: list[str] = []

    def noted(path: Path, text: str) -> None:
        written.append(path.name)
        write_text(path, text)

    monkeypatch.setattr(module, "write_text", noted)
    state = saved(project)
    assert written == []
    state.written["x"] = "4d"
    state.save()
    state.save()
    assert written == ["run_state.json"]


class TestOld:
    """A project in which an earlier version kept all of it in one file."""

    @pytest.fixture(autouse=True)
    def old(self, project: Path) -> None:
        file = (project / "file").stat()
        content = {
            "files": {"file": [file.st_size, file.st_mtime_ns, file.st_ctime_ns, file.st_ino, HASH]},
            "modules": {"2b": {"clipn.training.clipn": "3c"}},
            "running": "1a",
            "settings": {"1a": {"seed": 1}},
            "sources": {"5e": ["6f", ["clipn.losses"]]},
            "written": {"x.jsonl": "4d"},
        }
        write_text(project / OLD, json.dumps(content))

    def test_all_that_still_counts_is_read(self, project: Path) -> None:
        state = RunState(project)
        assert HashCache(project).sha256("file") == HASH
        assert (state.modules, state.written) == ({"2b": {"clipn.training.clipn": "3c"}}, {"x.jsonl": "4d"})
        assert state.sources == {}  # of whole modules, which no fingerprint is made of any more

    def test_each_part_is_read_until_it_has_a_file_of_its_own(self, project: Path) -> None:
        state = RunState(project)
        state.written = {"y.jsonl": "7a"}
        state.save()
        assert RunState(project).written == {"y.jsonl": "7a"}
        assert HashCache(project).sha256("file") == HASH

    def test_nothing_is_lost_when_it_is_saved_unchanged(self, project: Path) -> None:
        before = RunState(project)
        before.save()
        (project / OLD).unlink()
        after = RunState(project)
        assert vars(after) | {"_file": None} == vars(before) | {"_file": None}

    def test_it_stays_as_it_is(self, project: Path) -> None:
        before = (project / OLD).read_bytes()
        StateFile(project, "run_state.json").save({"written": {}})
        assert (project / OLD).read_bytes() == before
