"""Where DVC's cache itself is damaged, a message says so instead of a remedy that gives the same again."""

import os
from pathlib import Path

import pytest
from dvc.repo import Repo

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.provenance.stage_files import read_stage_records
from clipn.provenance.stages import damaged_objects
from tests.helpers.records import IMAGES, NAMES, OWN_TABLE, REPORT, Made, error_of, not_as_made

pytestmark = pytest.mark.workflow


@pytest.fixture
def stored(made: Made, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A study whose results DVC has recorded."""
    made.check()
    stages = made.root / "dvc.yaml"
    stages.write_text(f"vars:\n  - study: demo\n{stages.read_text()}")
    (made.root / "results/studies/demo/figures").mkdir(exist_ok=True)
    monkeypatch.chdir(made.root)
    with Repo.init(no_scm=True) as repo:
        repo.commit(force=True)
    return made


def object_of(path: str) -> Path:
    """What DVC's cache has of a file; in there it may not be written to, which keeps DVC from looking at it."""
    md5 = file_hash(Path(path), "md5")
    return Path(f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}")


def damage(path: Path) -> None:
    """Change a file that may not be written to, and nothing that tells of it."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_of_a_whole_cache_nothing_is_said(stored: Made) -> None:
    stored.write(OWN_TABLE, "edited")
    assert damaged_objects([Path(OWN_TABLE), Path(IMAGES)]) == []
    assert error_of(stored) == not_as_made(OWN_TABLE)


@pytest.mark.parametrize("path", [OWN_TABLE, NAMES])
def test_what_a_damaged_cache_gave_is_not_got_back_from_it(stored: Made, path: str) -> None:
    cached = object_of(path)
    damage(cached)
    Path(path).unlink()
    with Repo() as repo:
        repo.checkout([path], force=True)
    assert error_of(stored) == (
        f"{path}: not as made; DVC's cache is damaged itself and would give the same again: {cached}; remove both, "
        f"then `dvc pull {path}` gets back what was made from a remote; what is removed is rebuilt"
    )
    for damaged in (cached, Path(path)):
        damaged.unlink()
    stored.check()


def test_the_list_of_a_folder_counts_too(stored: Made) -> None:
    with Repo() as repo:
        (folder,) = (out for out in repo.index.outs if out.def_path.endswith("datasets"))
        cached = Path(os.path.relpath(folder.cache.oid_to_path(folder.hash_info.value)))
    damage(cached)
    assert damaged_objects([Path(IMAGES)]) == [str(cached)]
    assert damaged_objects([Path(OWN_TABLE)]) == []


def test_a_file_of_records(stored: Made) -> None:
    cached = object_of(REPORT)
    damage(cached)
    Path(REPORT).write_text("{")
    with pytest.raises(ClipnError) as caught:
        read_stage_records(Path(REPORT))
    remedy = f"`dvc pull {REPORT}` gets it from a remote, and a run writes it again if its results were made here"
    assert str(caught.value) == (
        f"{REPORT}: is no file of records; DVC's cache is damaged itself and would give the same again: {cached}; "
        f"remove both, then {remedy}"
    )


def test_where_dvc_has_no_project_nothing_is_known(made: Made) -> None:
    assert damaged_objects([made.root / OWN_TABLE]) == []
