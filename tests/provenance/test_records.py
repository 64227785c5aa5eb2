"""What Snakemake wrote down is read as it meant it, and what is written is what it reads."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipn.provenance import records as provenance
from clipn.provenance.records import JobRecord, incomplete_outputs, locked, read_records, remove_odd_records
from tests.helpers.project import ENVIRONMENT, warm_path
from tests.helpers.records import FIELDS, record_file, write_record

pytestmark = pytest.mark.workflow

ADDED: dict[str, Any] = {"sha256": "11", "accepted": ("module clipn/training/clipn.py",)}
LONG = f"{'deep/' * 20}{'long' * 30}.txt"
SNAKEFILE = f"""
rule count:
    input: "words.txt", "more.txt"
    output: "{LONG}"
    log: "logs/count.log"
    params: code="0123456789abcdef", options="--all"
    shell: "wc {{input}} > {{output}}"

rule copy:
    input: rules.count.output
    output: "copy.txt"
    shell: "cp {{input}} {{output}}"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the installed Snakemake has made two files, one with a name too long for one record."""
    root = tmp_path_factory.mktemp("project")
    (root / "Snakefile").write_text(SNAKEFILE)
    (root / "words.txt").write_text("one two\n")
    (root / "more.txt").write_text("three\n")
    snakemake(root, "copy.txt")
    return root


def snakemake(root: Path, *arguments: str) -> str:
    """What Snakemake says."""
    command = ["snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=root, env=ENVIRONMENT | warm_path(), check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_outputs_of_one_job_hold_its_inputs_once(tmp_path: Path) -> None:
    """Two jobs of one rule, one of which has two outputs."""
    for output, log, name in (("a", "1.log", "x"), ("b", "1.log", "x"), ("c", "2.log", "x"), ("d", "2.log", "y")):
        write_record(tmp_path, output, log=[log], input=[name], input_checksums={name: f"sha256:{name}"})
    records = read_records(tmp_path)
    assert {path: record.inputs for path, record in records.items()} == {"a": ["x"], "b": ["x"], "c": ["x"], "d": ["y"]}
    assert records["a"].content is records["b"].content
    assert records["c"].content is not records["a"].content


def test_the_records_of_the_installed_snakemake(finished: Path) -> None:
    records = read_records(finished)
    assert set(records) == {LONG, "copy.txt"}
    count = records[LONG]
    assert (count.rule, count.inputs) == ("count", ["words.txt", "more.txt"])
    assert count.shell == f"wc words.txt more.txt > {LONG}"
    assert count.hashes["words.txt"] == hashlib.sha256(b"one two\n").hexdigest()
    assert count.code == "0123456789abcdef"
    assert count.ended == os.lstat(finished / LONG).st_mtime
    assert count.started <= count.ended <= records["copy.txt"].started
    assert (count.sha256, count.accepted) == (None, ())
    assert count.benchmarks == ["logs/count.tsv"]
    assert incomplete_outputs(finished) == set()
    assert not locked(finished)


@pytest.fixture
def noted(finished: Path, tmp_path: Path) -> Path:
    """A copy of that project with what this one adds to the records."""
    root = tmp_path / "copy"
    shutil.copytree(finished, root)
    for path, record in read_records(root).items():
        provenance.write_record(root, path, replace(record, **ADDED))
    return root


def test_snakemake_reads_what_is_written(noted: Path) -> None:
    assert "Nothing to be done" in snakemake(noted, "--dry-run", "copy.txt")


def test_snakemake_drops_what_was_added_when_it_runs_a_job_again(finished: Path, noted: Path) -> None:
    snakemake(noted, "--forcerun", "copy", "--", "copy.txt")
    before, after = read_records(finished), read_records(noted)
    assert after[LONG] == replace(before[LONG], **ADDED)
    assert replace(after["copy.txt"], started=0, ended=0) == replace(before["copy.txt"], started=0, ended=0)


@pytest.mark.parametrize("path", ["out", LONG, "x" * 190, "x" * 191, "x" * 600])
def test_what_is_written_is_read(tmp_path: Path, path: str) -> None:
    record = JobRecord({"rule": "count", "input": ["a"]}, 1.5, 2.5, "11", ("setting seed: 1 -> 2",))
    provenance.write_record(tmp_path, path, record)
    assert read_records(tmp_path) == {path: record}
    assert record_file(tmp_path / ".snakemake/metadata", path).is_file()


def test_a_record_replaces_the_one_before_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    for rule in ("old", "new"):
        provenance.write_record(tmp_path, "out", JobRecord({"rule": rule}))
    assert read_records(tmp_path) == {"out": JobRecord({"rule": "new"})}
    assert sorted(path.name for path in (tmp_path / ".snakemake").iterdir()) == ["incomplete", "metadata"]


def test_what_differs_between_two_runs_of_a_job_is_not_content(tmp_path: Path) -> None:
    write_record(tmp_path, "one", starttime=1.0, endtime=2.0, job_hash=1, external_jobid="a")
    write_record(tmp_path, "two", starttime=3.0, endtime=4.0, job_hash=2, external_jobid="b")
    records = read_records(tmp_path)
    assert records["one"].content == records["two"].content
    assert [(record.started, record.ended) for record in records.values()] == [(1.0, 2.0), (3.0, 4.0)]


def test_fields_that_nobody_knows_stay(tmp_path: Path) -> None:
    write_record(tmp_path, "out", new_field=["x"])
    provenance.write_record(tmp_path, "out", read_records(tmp_path)["out"])
    assert read_records(tmp_path)["out"].content["new_field"] == ["x"]


def test_a_project_in_which_snakemake_runs_is_locked(tmp_path: Path) -> None:
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    assert not locked(tmp_path)
    (tmp_path / ".snakemake/locks/0.output.lock").touch()
    assert locked(tmp_path)


def test_names_are_those_that_these_tests_write(finished: Path) -> None:
    assert record_file(finished / ".snakemake/metadata", LONG).is_file()


def test_a_job_that_was_killed_has_not_ended(tmp_path: Path) -> None:
    marker = record_file(tmp_path / ".snakemake/incomplete", LONG)
    marker.parent.mkdir(parents=True)
    marker.write_text("{}")
    (tmp_path / ".snakemake/incomplete/migration_underway").touch()
    assert incomplete_outputs(tmp_path) == {LONG}


def test_inputs_that_were_too_large_to_hash_come_last(tmp_path: Path) -> None:
    write_record(tmp_path, "out", input=["a", "big", "c"], input_checksums={"c": "sha256:33", "a": "sha256:11"})
    record = read_records(tmp_path)["out"]
    assert record.inputs == ["c", "a", "big"]
    assert record.hashes == {"c": "33", "a": "11"}


def test_hashes_of_more_inputs(tmp_path: Path) -> None:
    write_record(tmp_path, "out", input=["a", "big", "c"], input_checksums={"c": "sha256:33", "a": "sha256:11"})
    record = read_records(tmp_path)["out"].with_hashes({"big": "22", "a": "44"})
    assert record.hashes == {"c": "33", "a": "44", "big": "22"}
    assert record.inputs == ["c", "a", "big"]


def test_an_old_record_without_hashes(tmp_path: Path) -> None:
    write_record(tmp_path, "out", rule="old", input=None, params=None, log=None, input_checksums=None, starttime=None)
    record = read_records(tmp_path)["out"]
    assert (record.rule, record.shell, record.started, record.ended) == ("old", None, 0.0, 2.0)
    assert (record.inputs, record.hashes, record.parameters, record.benchmarks) == ([], {}, [], [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rule": null}', '{"rule": "r", "input": "a"}', "[" * 100_000])
def test_a_record_that_cannot_be_read_is_none_and_is_removed(tmp_path: Path, text: str) -> None:
    for path in ("good", "odd"):
        write_record(tmp_path, path)
    record_file(tmp_path / ".snakemake/metadata", "odd").write_text(text)
    assert read_records(tmp_path).keys() == {"good"}
    remove_odd_records(tmp_path, read_records(tmp_path))
    assert not record_file(tmp_path / ".snakemake/metadata", "odd").exists()
    assert read_records(tmp_path).keys() == {"good"}


ODD_VALUES = {"a number": 3, "a list": [3], "a mapping": {"a": 3}, "nested": [[]]}


@pytest.mark.parametrize("field", [*FIELDS, "sha256", "accepted", "void"])
@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES)
def test_a_field_of_a_wrong_type_is_no_record(tmp_path: Path, field: str, value: Any) -> None:
    numbers = ("record_format_version", "job_hash", "starttime", "endtime")
    write_record(tmp_path, "out", **{field: "3" if field in numbers and value == 3 else value})
    assert read_records(tmp_path) == {}


STRAY = ("notes.txt", "README", "aGk", "aGk~", ".hidden", "@deep/notes", "_w==", "AA==x", "migration_underway")


@pytest.mark.parametrize("folder", ["metadata", "incomplete"])
@pytest.mark.parametrize("name", [*map(os.fsencode, STRAY), b"caf\xe9", b"\xff\xfe=="])
def test_a_file_of_another_name_than_snakemake_gives_is_passed_over(tmp_path: Path, folder: str, name: bytes) -> None:
    write_record(tmp_path, "out")
    stray = tmp_path / ".snakemake" / folder / os.fsdecode(name)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text('{"rule": "r"}')
    assert read_records(tmp_path).keys() == {"out"}
    assert incomplete_outputs(tmp_path) == set()
    remove_odd_records(tmp_path, read_records(tmp_path))
    assert stray.is_file()


def test_a_folder_without_records(tmp_path: Path) -> None:
    assert read_records(tmp_path) == {}
    assert incomplete_outputs(tmp_path) == set()


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (["'--epochs 3'", "'0123456789abcdef'"], "0123456789abcdef"),
        (["0123456789abcdef"], None),
        (["'0123456789abcdef0'"], None),
        ([], None),
    ],
)
def test_the_code_is_the_parameter_that_looks_like_a_fingerprint(parameters: list[str], code: str | None) -> None:
    assert JobRecord({"rule": "r", "params": parameters}).code == code
