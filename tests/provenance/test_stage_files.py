"""The files of records that travel with the results: what is written is what is read."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipn.errors import ClipnError
from clipn.provenance.records import JobRecord
from clipn.provenance.stage_files import StageRecords, all_records, ancestors, read_stage_records, write_stage_records
from clipn.provenance.stages import Stage
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from tests.helpers.records import CODE, OTHER_CODE, Made, lines, outputs, sha256, written

HOME = "results/studies/demo/"
FILE = f"{HOME}provenance/tables.jsonl"
TABLE, COPY, SCORES, EXTRA = f"{HOME}tables/x.csv", "results/tables/x.csv", f"{HOME}scores/x", f"{HOME}scores/extra"
STAGE = Stage("tables", FILE, [FILE, f"{HOME}tables", "results/tables"])


def made_by(rule: str, *inputs: str, params: Sequence[str] = (), sha256: str = "11", **changes: Any) -> JobRecord:
    """A record as it is after a check."""
    content = {"rule": rule, "input": list(inputs), "log": [f"logs/{rule}.log"], "params": list(params)}
    return JobRecord(content, sha256=sha256, **changes)


def record_of(root: Path, records: dict[str, JobRecord], stages: Sequence[Stage] = (STAGE,), **known: Any) -> Path:
    """The file of records of a stage, whose results are all here."""
    state = RunState(root)
    state.modules = known.get("modules", {})
    state.save()
    for path in records:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return rewritten(root, records, stages=stages, state=state)


def rewritten(
    root: Path,
    records: dict[str, JobRecord],
    expected: Collection[str] = (),
    stages: Sequence[Stage] = (STAGE,),
    state: RunState | None = None,
) -> Path:
    """The same file after a check of what is here then."""
    write_stage_records(list(stages), HOME, records, expected, HashCache(root), state or RunState(root))
    return root / FILE


# Ancestors


def test_ancestors_are_named_once_and_the_file_itself_first() -> None:
    records = {"table": made_by("t", "left", "right"), "left": made_by("l", "root"), "right": made_by("r", "root")}
    found = list(ancestors(["table"], records))
    assert found[0] == "table"
    assert sorted(found) == ["left", "right", "root", "table"]


def test_a_file_that_is_also_an_ancestor_is_named_once() -> None:
    assert sorted(ancestors(["b", "a"], {"b": made_by("b", "a")})) == ["a", "b"]


def test_a_file_without_a_record_has_no_ancestors() -> None:
    assert list(ancestors(["source"], {})) == ["source"]


# What is written


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record = made_by("table", SCORES, accepted=("module clipn/training/clipn.py",), sha256="22")
    records = {TABLE: record, SCORES: made_by("score", "source", sha256="33")}
    assert read_stage_records(record_of(tmp_path, records)) == StageRecords(records, {})


def test_times_are_not_written(tmp_path: Path) -> None:
    record = made_by("table")
    file = record_of(tmp_path, {TABLE: replace(record, started=1.5, ended=2.5)})
    assert read_stage_records(file).records == {TABLE: record}


@pytest.mark.parametrize("letter", ["\u00f6", "\u2028", "\u2029", "\x85", "\n", '"'])
def test_all_letters_stay(tmp_path: Path, letter: str) -> None:
    records = {TABLE: made_by("table", f"a{letter}b")}
    assert read_stage_records(record_of(tmp_path, records)).records == records


def test_jobs_are_sorted_by_their_first_file(tmp_path: Path) -> None:
    records = {path: made_by(path) for path in (f"{HOME}tables/{name}" for name in "cab")}
    assert outputs(record_of(tmp_path, records)) == [[f"{HOME}tables/{name}"] for name in "abc"]


def test_outputs_of_one_job_are_in_one_line(tmp_path: Path) -> None:
    other = f"{HOME}tables/x.md"
    file = record_of(tmp_path, {TABLE: made_by("table"), other: made_by("table", sha256="22")})
    assert [line["outputs"] for line in lines(file)] == [{TABLE: "11", other: "22"}]


@pytest.mark.parametrize("change", [{"accepted": ("setting seed: 1 -> 2",)}, {"params": ["'2'"]}])
def test_outputs_of_one_rule_that_were_made_differently_are_in_two_lines(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    other = f"{HOME}tables/y.csv"
    file = record_of(tmp_path, {TABLE: made_by("table"), other: made_by("table", **change)})
    assert outputs(file) == [[TABLE], [other]]


def test_an_ancestor_brings_the_other_outputs_of_its_job(tmp_path: Path) -> None:
    records = {TABLE: made_by("table", SCORES), SCORES: made_by("score"), EXTRA: made_by("score")}
    assert outputs(record_of(tmp_path, records)) == [[EXTRA, SCORES], [TABLE]]


def test_files_of_other_stages_that_are_no_ancestors_are_left_out(tmp_path: Path) -> None:
    records = {TABLE: made_by("table", SCORES), SCORES: made_by("score"), EXTRA: made_by("another")}
    assert outputs(record_of(tmp_path, records)) == [[SCORES], [TABLE]]


def test_the_copy_of_a_file_of_the_study_is_one_of_its_files(tmp_path: Path) -> None:
    records = {TABLE: made_by("table"), COPY: made_by("publish", TABLE)}
    assert outputs(record_of(tmp_path, records)) == [[TABLE], [COPY]]


def test_the_copy_of_a_file_of_another_study_is_left_out(tmp_path: Path) -> None:
    other = "results/studies/other/tables/x.csv"
    records = {TABLE: made_by("table"), COPY: made_by("publish", other), other: made_by("ood_table")}
    assert outputs(record_of(tmp_path, records)) == [[TABLE]]


def test_ancestors_that_are_not_here_are_written(tmp_path: Path) -> None:
    records = {TABLE: made_by("table", SCORES), SCORES: made_by("score")}
    record_of(tmp_path, records)
    (tmp_path / SCORES).unlink()
    assert outputs(rewritten(tmp_path, records)) == [[SCORES], [TABLE]]


def test_a_stage_of_which_nothing_is_here_has_no_file(tmp_path: Path) -> None:
    assert not rewritten(tmp_path, {TABLE: made_by("table")}, expected=[TABLE]).exists()


class TestAway:
    """A stage of which some files are here and others are not."""

    OTHER = f"{HOME}tables/y.csv"

    def file_for(self, root: Path, expected: Collection[str]) -> Path:
        """The file of a table that is here and of another one that is away."""
        records = {TABLE: made_by("table"), self.OTHER: made_by("other_table")}
        record_of(root, records)
        (root / self.OTHER).unlink()
        return rewritten(root, records, expected)

    def test_the_records_of_expected_files_and_of_those_that_are_here_are_kept(self, tmp_path: Path) -> None:
        assert outputs(self.file_for(tmp_path, [self.OTHER])) == [[TABLE], [self.OTHER]]

    def test_that_of_a_file_that_the_study_does_not_make_any_more_is_dropped(self, tmp_path: Path) -> None:
        assert outputs(self.file_for(tmp_path, [TABLE])) == [[TABLE]]


@pytest.mark.parametrize(("expected", "created"), [([TABLE], True), ([TABLE, COPY], False)])
def test_only_folders_that_the_study_has_nothing_for_are_created(
    tmp_path: Path, expected: list[str], created: bool
) -> None:
    (tmp_path / TABLE).parent.mkdir(parents=True)
    (tmp_path / TABLE).touch()
    rewritten(tmp_path, {TABLE: made_by("table")}, expected)
    assert (tmp_path / "results/tables").is_dir() is created


def test_every_stage_has_its_own_file(tmp_path: Path) -> None:
    file = f"{HOME}provenance/scores.jsonl"
    scores = Stage("scores", file, [file, f"{HOME}scores"])
    records = {TABLE: made_by("table", SCORES), SCORES: made_by("score")}
    file = record_of(tmp_path, records, stages=(scores, STAGE))
    assert outputs(file) == [[SCORES], [TABLE]]
    assert outputs(tmp_path / scores.records) == [[SCORES]]


def test_the_hash_of_the_file_is_kept(tmp_path: Path) -> None:
    state = RunState(tmp_path)
    (tmp_path / TABLE).parent.mkdir(parents=True)
    (tmp_path / TABLE).touch()
    rewritten(tmp_path, {TABLE: made_by("table")}, state=state)
    assert state.written == {FILE: sha256((tmp_path / FILE).read_text())}


def test_a_file_that_is_as_it_should_be_is_not_written_again(tmp_path: Path) -> None:
    records = {TABLE: made_by("table")}
    before = written(record_of(tmp_path, records))
    assert written(rewritten(tmp_path, records)) == before


def test_a_job_keeps_the_order_of_its_inputs(tmp_path: Path) -> None:
    record = made_by("table", "z", "a").with_hashes({"z": "1", "a": "2"})
    file = record_of(tmp_path, {TABLE: record})
    job = lines(file)[0]["job"]
    assert (job["input"], list(job["input_checksums"])) == (["z", "a"], ["z", "a"])
    assert read_stage_records(file).records[TABLE].inputs == ["z", "a"]


# Modules


def test_modules_that_records_refer_to_are_written(tmp_path: Path) -> None:
    records = {TABLE: made_by("table", SCORES), SCORES: made_by("score", params=[f"'{CODE}'"])}
    modules = {CODE: {"clipn.training.clipn": "aa"}, OTHER_CODE: {"clipn.training.clipn": "bb"}}
    file = record_of(tmp_path, records, modules=modules)
    assert read_stage_records(file) == StageRecords(records, {CODE: {"clipn.training.clipn": "aa"}})
    assert list(lines(file)[-1]) == ["fingerprint", "modules"]


def test_modules_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    records = {TABLE: made_by("table", params=[f"'{CODE}'"])}
    assert read_stage_records(record_of(tmp_path, records)) == StageRecords(records, {})


def test_modules_are_sorted(tmp_path: Path) -> None:
    codes = ["3" * 16, "1" * 16, "2" * 16]
    records = {f"{HOME}tables/{code}": made_by(code, params=[f"'{code}'"]) for code in codes}
    file = record_of(tmp_path, records, modules={code: {} for code in codes})
    assert [line["fingerprint"] for line in lines(file) if "modules" in line] == sorted(codes)


def test_modules_of_an_earlier_run_give_the_same_file(tmp_path: Path) -> None:
    records = {TABLE: made_by("table", params=[f"'{CODE}'"])}
    modules = {CODE: {"clipn.training.clipn": "aa", "clipn.losses": "bb"}}
    file = record_of(tmp_path, records, modules=modules)
    before = file.read_bytes()
    file.unlink()
    assert rewritten(tmp_path, records).read_bytes() == before
    assert read_stage_records(file) == StageRecords(records, modules)


# What is read


def test_an_empty_file_tells_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").touch()
    assert read_stage_records(tmp_path / "x.jsonl") == StageRecords({}, {})


def test_settings_that_an_earlier_version_wrote_are_passed_over(tmp_path: Path) -> None:
    job = {"rule": "table", "settings": "1a", "accepted": []}
    known = [{"job": job, "outputs": {TABLE: "11"}}, {"settings": "1a", "study": {"seed": 1}}]
    (tmp_path / "x.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in known))
    assert read_stage_records(tmp_path / "x.jsonl") == StageRecords(
        {TABLE: JobRecord({"rule": "table"}, sha256="11")}, {}
    )


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\n",
        b"[]",
        b"1",
        b'"outputs"',
        b"{}",
        b"\xff",
        b'{"outputs": []}',
        b'{"outputs": {"x": "11"}, "rule": "table"}',
        b'{"modules": {}}',
        b'{"settings": "1a"}',
        b'{"job": {"rule": "r", "input": 3, "accepted": []}, "outputs": {"x": "11"}}',
        b'{"job": {"rule": "r", "accepted": "ab"}, "outputs": {"x": "11"}}',
        b'{"job": {"rule": "r", "accepted": []}, "outputs": {"x": 11}}',
        b'{"fingerprint": "1a", "modules": ["m"]}',
    ],
)
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    with pytest.raises(ClipnError) as caught:
        read_stage_records(file)
    remedy = f"get it back with `dvc checkout --force {file}`, or remove it if its results were made here"
    assert str(caught.value) == f"{file}: is no file of records; {remedy}"


def test_half_a_file_is_damaged(tmp_path: Path) -> None:
    file = record_of(tmp_path, {TABLE: made_by("table"), COPY: made_by("publish", TABLE)})
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ClipnError, match="is no file of records"):
        read_stage_records(file)


# Local and travelled records together


def rules(root: Path) -> dict[str, str]:
    return {path: record.rule for path, record in all_records(root).items()}


def test_records_that_travelled_stand_where_there_is_no_local_one(tmp_path: Path) -> None:
    record_of(tmp_path, {TABLE: made_by("travelled", SCORES), SCORES: made_by("score")})
    assert rules(tmp_path) == {TABLE: "travelled", SCORES: "score"}
    Made(tmp_path).make(TABLE, "local")
    assert rules(tmp_path) == {TABLE: "local", SCORES: "score"}


def test_records_of_all_studies_count(tmp_path: Path) -> None:
    file = "results/studies/other/provenance/tables.jsonl"
    other = Stage("tables", file, [file, "results/studies/other/tables"])
    record_of(tmp_path, {TABLE: made_by("table")})
    path = "results/studies/other/tables/x.csv"
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    records = {path: made_by("table")}
    write_stage_records([other], "results/studies/other/", records, [path], HashCache(tmp_path), RunState(tmp_path))
    assert set(all_records(tmp_path)) == {TABLE, path}
