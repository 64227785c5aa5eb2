"""What of a study is here and what is in a remote: by content, whoever made it, and with what to type for the rest."""

import json
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from clipn.errors import ClipnError
from clipn.provenance.stages import load_stages
from clipn.provenance.store.locked import locked_outputs
from clipn.provenance.store.lookup import StoredFile, look_up
from clipn.provenance.store.parts import parts, pulls
from clipn.provenance.store.status import StoreStatus, lines
from tests.helpers.records import ARCHIVE, DATA, IMAGES, NAMES, OWN_TABLE, REPORT, TABLE, UNUSED, Made, home

pytestmark = pytest.mark.workflow

FILES = {DATA, ARCHIVE, NAMES, IMAGES, UNUSED, REPORT, OWN_TABLE, TABLE}
DATASETS = f"{home('demo')}/datasets"


@pytest.fixture
def recorded(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A study whose results DVC has recorded; the folder of its remote is not there before the first push."""
    made.check()
    stages = made.root / "dvc.yaml"
    stages.write_text(f"vars:\n  - study: demo\n{stages.read_text()}")
    (made.root / home("demo") / "figures").mkdir(exist_ok=True)
    monkeypatch.chdir(made.root)
    with Repo.init(no_scm=True) as repo:
        repo.commit(force=True)
        with repo.config.edit() as config:
            config["remote"]["folder"] = {"url": str(tmp_path / "remote")}
            config["core"]["remote"] = "folder"
    return made


@pytest.fixture
def pushed(recorded: Made) -> Made:
    """The same, in the remote."""
    with Repo() as repo:
        repo.push()
    return recorded


def looked_up(root: Path = Path()) -> dict[str, StoredFile]:
    """What is found of every file."""
    return {file.path: file for file in look_up(locked_outputs(root, "demo"), root)}


def here(files: dict[str, StoredFile]) -> set[str]:
    return {path for path, file in files.items() if file.is_here}


def stored(files: dict[str, StoredFile]) -> set[str]:
    return {path for path, file in files.items() if file.is_stored}


def told(files: dict[str, StoredFile], active: str = "demo", remote: str | None = None) -> list[str]:
    """What a person is told below the table."""
    shown = parts(files.values(), load_stages(Path(), "demo"), "demo", [])
    return list(lines(StoreStatus("demo", active, remote, shown)))


def pull(*targets: str) -> None:
    with Repo() as repo:
        repo.pull(list(targets))


@pytest.fixture
def clone(pushed: Made) -> None:
    """A fresh clone, with nothing that was made."""
    for name in ("results", ".snakemake", ".dvc/cache"):
        shutil.rmtree(pushed.root / name)


def test_before_the_first_push_all_is_here_and_nothing_in_the_remote(recorded: Made) -> None:
    found = looked_up()
    assert here(found) == FILES
    assert stored(found) == set()
    (line,) = told(found)
    assert line.startswith("the default remote: holds nothing of this study; if it is the right one, `dvc push` sends")


def test_after_a_push_all_is_in_both_and_nothing_is_to_be_pulled(pushed: Made) -> None:
    found = looked_up()
    assert here(found) == stored(found) == FILES
    assert told(found) == []
    assert {path: file.size for path, file in found.items()} == {path: Path(path).stat().st_size for path in FILES}


@pytest.mark.usefixtures("clone")
def test_a_fresh_clone_sees_what_is_in_the_remote_and_fetches_nothing() -> None:
    found = looked_up()
    assert here(found) == set()
    assert stored(found) == FILES
    assert found[ARCHIVE].size == len(ARCHIVE)
    assert not list(Path(".dvc").glob("cache/**/*.dir"))
    assert not Path("results").exists()


@pytest.mark.usefixtures("clone")
def test_every_line_of_a_fresh_clone_pulls_what_it_says() -> None:
    wanted = pulls(parts(looked_up().values(), load_stages(Path(), "demo"), "demo", []))
    assert [targets for targets, _ in wanted] == [[DATA, f"{home('demo')}/archives"], [DATA, DATASETS], ["report"]]
    targets, missing = wanted[1]
    assert {file.path for file in missing} == {DATA, NAMES, IMAGES, UNUSED}
    pull(*targets)
    assert here(looked_up()) == {DATA, NAMES, IMAGES, UNUSED}


@pytest.mark.usefixtures("clone")
def test_a_line_says_what_is_to_be_fetched_and_names_the_remote_that_was_asked_for() -> None:
    pull(DATA, "report")
    first, second = told(looked_up(), remote="folder")
    assert first == f"dvc pull {home('demo')}/archives --remote folder  # files: 1, to fetch: 0.00 MB"
    assert second.startswith(f"dvc pull {DATASETS} --remote folder  # files: 3")


def test_what_was_removed_comes_from_the_cache(pushed: Made) -> None:
    shutil.rmtree(DATASETS)
    assert here(looked_up()) == FILES
    assert told(looked_up()) == [f"dvc pull {DATASETS}  # files: 3, to fetch: 0.00 MB"]


def test_what_was_made_here_counts_by_content_though_the_cache_lacks_it(pushed: Made) -> None:
    shutil.rmtree(".dvc/cache")
    Path(NAMES).write_text("others")
    found = looked_up()
    assert here(found) == FILES - {NAMES}
    assert told(found) == [f"{NAMES}: here, but not as recorded; `dvc repro` records what was made since"]


def test_a_folder_whose_list_is_nowhere_counts_as_a_whole(recorded: Made) -> None:
    shutil.rmtree(".dvc/cache")
    found = looked_up()
    assert found[DATASETS].files == 3
    assert found[DATASETS].size == sum(len(path) for path in (NAMES, IMAGES, UNUSED))
    assert DATASETS in here(found)
    Path(UNUSED).unlink()
    assert DATASETS not in here(looked_up())


def test_what_is_missing_in_the_remote_is_nowhere(pushed: Made, tmp_path: Path) -> None:
    shutil.rmtree(".dvc/cache")
    Path(ARCHIVE).unlink()
    (lost,) = [file for file in (tmp_path / "remote").rglob("*") if file.is_file() and file.read_text() == ARCHIVE]
    lost.unlink()
    found = looked_up()[ARCHIVE]
    assert (found.is_here, found.is_stored, found.size) == (False, False, None)


@pytest.mark.usefixtures("clone")
def test_another_active_study_is_named_before_the_lines() -> None:
    first, *others = told(looked_up(), active="cifar")
    assert first == "config/config.yaml: names cifar; set `study: demo` there before you pull"
    assert all(line.startswith("dvc pull ") for line in others)


# What is wrong is one line


def test_a_lock_of_another_study_is_refused_with_both_names(recorded: Made) -> None:
    with pytest.raises(ClipnError, match=r"dvc.lock: is of demo and not of cifar; check out the branch .* `dvc repro`"):
        locked_outputs(recorded.root, "cifar")


@pytest.mark.parametrize("content", ["stages: [", "stages: {data: {}}", "", "stages: {data: {outs: [{path: a}]}}"])
def test_a_damaged_lock_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "dvc.lock").write_text(content)
    with pytest.raises(ClipnError, match=r"(?s)dvc.lock: cannot be read .* restore it with `git checkout dvc.lock`"):
        locked_outputs(tmp_path, "demo")


def test_without_a_lock_nothing_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"dvc.lock: no such file, so nothing is recorded; `dvc repro` writes it"):
        locked_outputs(tmp_path, "demo")


def test_without_a_remote_a_line_says_how_to_name_one(recorded: Made) -> None:
    with Repo() as repo, repo.config.edit() as config:
        del config["core"]["remote"], config["remote"]["folder"]
    with pytest.raises(ClipnError, match=r"there is no default remote; `dvc remote add --default NAME FOLDER-OR-URL`"):
        looked_up()


def test_an_unknown_remote_is_named(recorded: Made) -> None:
    with pytest.raises(ClipnError, match=r"remote other: .*doesn't exist"):
        look_up(locked_outputs(Path(), "demo"), Path(), "other")


def test_a_remote_that_cannot_be_read_is_named(recorded: Made, tmp_path: Path) -> None:
    (tmp_path / "remote").write_text("no folder")
    with pytest.raises(ClipnError, match=r"the default remote: cannot be read .*; check its address"):
        looked_up()


# By backbone


def test_parts_of_several_backbones_are_pulled_one_by_one(tmp_path: Path) -> None:
    """Names of backbones may hold dots, and be the beginning of another's."""
    folder = home("demo")
    outs = [f"{home('${study}')}/{name}" for name in ("provenance/features.jsonl", "features", "metrics")]
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"features": {"outs": outs}}}))
    names = ["features/b/sun.safetensors", "features/b.seed1/sun.safetensors", "features/b.seed1/local/sun.safetensors"]
    names += ["metrics/b.seed1.json", "metrics/streams/b.json", "metrics/other.json"]
    files = [
        StoredFile("features", f"{folder}/{name}", 1, 5, is_here=False, is_stored=True, in_place=False)
        for name in names
    ]
    shown = parts(files, load_stages(tmp_path, "demo"), "demo", ["b", "b.seed1"])
    numbers = {part.name: {own.name: len(own.files) for own in part.backbones} for part in shown}
    assert numbers == {"features": {"b": 1, "b.seed1": 2}, "metrics": {}}
    targets = [targets for targets, _ in pulls(shown)]
    assert targets == [[f"{folder}/{name}"] for name in ("features/b", "features/b.seed1", "metrics")]
