"""Numbers of a study against those that were recorded; that of the reduced demo is part of the repository."""

import json
import warnings
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.provenance import recorded_files
from clipn.provenance.recorded_files import Comparison, RecordedFiles, compare, differing, record
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.loading import load_study
from clipn.study.paths import StudyPaths
from clipn.study.targets import number_files
from tests.helpers.project import REDUCED_NUMBERS, Project
from tests.helpers.studies import GENERATED, study

HERE, OTHER = "AMD EPYC", "Intel Xeon"
PORTABLE = "portable avx2 numpy-2.0"


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with all its files, of which each holds its own path."""
    monkeypatch.setattr(recorded_files, "processor", lambda: HERE)
    made = study(GENERATED)
    paths = StudyPaths(made, StudyData(made))
    for path in number_files(paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps({"arithmetic": PORTABLE, "path": path}))
    return made


def files_of(root: Path) -> Mapping[str, str]:
    files: Mapping[str, str] = json.loads((root / "config/recorded/demo.json").read_text())["files"]
    return files


def test_what_is_recorded_compares_equal(demo: Study, tmp_path: Path) -> None:
    assert record(demo, tmp_path) == tmp_path / "config/recorded/demo.json"
    found = compare(demo, tmp_path)
    assert (found.differing, found.fails) == ([], False)
    assert str(found) == f"demo: all {len(files_of(tmp_path))} files with numbers are as recorded on {HERE}, {PORTABLE}"


def test_files_are_in_the_order_of_the_road(demo: Study, tmp_path: Path) -> None:
    record(demo, tmp_path)
    folders = [path.split("/")[3] for path in files_of(tmp_path)]
    expected = ["archives", "datasets", "captions", "shards", "backbones", "caption_features", "runs", "features"]
    assert list(dict.fromkeys(folders))[:8] == expected
    assert folders[-1] == "summary"
    assert {Path(path).suffix for path in files_of(tmp_path)}.isdisjoint({".png", ".pdf", ".md", ".html", ".jsonl"})


def test_the_first_file_that_differs_is_named_with_both_machines(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(demo, tmp_path)
    before = files_of(tmp_path)
    path = "results/studies/demo/runs/tiny/learnable/seed2.safetensors"
    for name in ("results/studies/demo/tables/metrics.csv", path):
        (tmp_path / name).write_text("other")
    monkeypatch.setattr(recorded_files, "processor", lambda: OTHER)
    here, there = f"{sha256(b'other').hexdigest()[:12]} here", f"{before[path][:12]} recorded"
    assert str(compare(demo, tmp_path)) == (
        f"demo: {path}: {here} (made on an unknown machine), {there} (on {HERE}, {PORTABLE}); the first of 2 that "
        f"differ, of {len(before)}"
    )


@pytest.mark.parametrize(
    ("recorded_on", "files", "here", "arithmetic", "fails"),
    [
        ([HERE], {"a": "1"}, HERE, PORTABLE, False),
        ([HERE], {"a": "2"}, HERE, PORTABLE, True),  # the same processor once gave other numbers
        ([HERE], {"a": "2"}, OTHER, PORTABLE, False),  # nobody has seen yet that two kinds agree
        ([HERE, OTHER], {"a": "2"}, "Third", PORTABLE, True),
        ([HERE, OTHER], {"a": "1", "b": "2"}, "Third", PORTABLE, True),
        ([HERE, OTHER], {"a": "1"}, "Third", PORTABLE, False),
        ([HERE, OTHER], {"a": "2"}, HERE, "portable avx2 numpy-2.1", False),  # other libraries may give other digits
    ],
)
def test_a_difference_fails_where_numbers_are_known_not_to_depend_on_the_processor(
    recorded_on: list[str], files: dict[str, str], here: str, arithmetic: str, fails: bool
) -> None:
    recorded = RecordedFiles(PORTABLE, recorded_on, {"a": "1"})
    assert Comparison("demo", RecordedFiles(arithmetic, [here], files), recorded, "here").fails is fails


def test_files_that_one_side_lacks_differ() -> None:
    here, recorded = (RecordedFiles(PORTABLE, [], files) for files in ({"a": "1", "b": "2"}, {"c": "3", "b": "2"}))
    assert differing(here, recorded) == ["a", "c"]


def test_a_machine_that_made_the_same_is_added_and_one_that_did_not_begins_anew(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(demo, tmp_path)
    monkeypatch.setattr(recorded_files, "processor", lambda: OTHER)
    record(demo, tmp_path)
    assert list(compare(demo, tmp_path).recorded.processors) == [HERE, OTHER]
    (tmp_path / "results/studies/demo/summary/imagenet.json").write_text("other")
    assert compare(demo, tmp_path).fails
    record(demo, tmp_path)
    assert list(compare(demo, tmp_path).recorded.processors) == [OTHER]


def test_a_study_that_is_not_finished_or_not_recorded(demo: Study, tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"demo\.json: no such file, so nothing is recorded; `clipn study record`"):
        compare(demo, tmp_path)
    (tmp_path / "config/recorded").mkdir(parents=True)
    (tmp_path / "config/recorded/demo.json").write_text('{"files": {}}')
    with pytest.raises(ClipnError, match=r"demo\.json: no record of files; get it back with `git checkout"):
        compare(demo, tmp_path)
    (tmp_path / "results/studies/demo/summary/imagenet.json").unlink()
    with pytest.raises(ClipnError, match=r"imagenet\.json: not here; make the study first: snakemake all"):
        record(demo, tmp_path)


@pytest.mark.workflow
def test_the_reduced_demo_gives_the_recorded_numbers(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of arithmetic is one that somebody writes down, here and in `config/recorded/demo.json`."""
    monkeypatch.chdir(finished.folder)
    found = compare(load_study(), finished.folder, REDUCED_NUMBERS)
    if found.differing and not found.fails:
        warnings.warn(str(found), stacklevel=1)
    remedy = f"`cd {finished.folder} && clipn study record --file {REDUCED_NUMBERS}` and commit it"
    assert not found.fails, f"{found}; if that is meant, {remedy}"


@pytest.mark.workflow
def test_the_log_of_a_job_names_the_machine(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.folder)
    recorded = json.loads(REDUCED_NUMBERS.read_text())
    path = next(path for path in recorded["files"] if "/runs/" in path)
    changed = finished.folder / "other.json"
    changed.write_text(json.dumps(recorded | {"files": recorded["files"] | {path: "0" * 64}}))
    found = compare(load_study(), finished.folder, changed)
    changed.unlink()
    assert found.made_on.startswith(recorded_files.processor())
    assert " portable avx2 numpy-" in found.made_on
