"""What Snakemake wrote down is read as it meant it."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from clipn.provenance import JobRecord, read_records, unfinished
from tests.project import ENVIRONMENT
from tests.records import record_file, write_record

LONG = f"{'deep/' * 20}{'long' * 30}.txt"
SNAKEFILE = f"""
rule count:
    input: "words.txt", "more.txt"
    output: "{LONG}"
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
    subprocess.run(
        ["snakemake", "--cores", "1", "copy.txt"], cwd=root, env=ENVIRONMENT, check=True, capture_output=True
    )
    return root


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
    assert records["copy.txt"].is_copy
    assert not count.is_copy
    assert unfinished(finished) == set()


def test_names_are_those_that_these_tests_write(finished: Path) -> None:
    assert record_file(finished / ".snakemake/metadata", LONG).is_file()


def test_a_job_that_was_killed_has_not_ended(tmp_path: Path) -> None:
    marker = record_file(tmp_path / ".snakemake/incomplete", LONG)
    marker.parent.mkdir(parents=True)
    marker.write_text("{}")
    (tmp_path / ".snakemake/incomplete/migration_underway").touch()
    assert unfinished(tmp_path) == {LONG}


def test_inputs_that_were_too_large_to_hash_come_last(tmp_path: Path) -> None:
    write_record(tmp_path, "out", input=["a", "big", "c"], input_checksums={"c": "sha256:33", "a": "sha256:11"})
    record = read_records(tmp_path)["out"]
    assert record.inputs == ["c", "a", "big"]
    assert record.hashes == {"c": "33", "a": "11"}


def test_an_old_record_without_hashes(tmp_path: Path) -> None:
    write_record(tmp_path, "out", rule="old", input=None, params=None, input_checksums=None, starttime=None)
    assert read_records(tmp_path) == {"out": JobRecord("old", None, [], {}, [], 0.0, 2.0)}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rule": null}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    write_record(tmp_path, "out")
    record_file(tmp_path / ".snakemake/metadata", "out").write_text(text)
    assert read_records(tmp_path) == {}


def test_a_folder_without_records(tmp_path: Path) -> None:
    assert read_records(tmp_path) == {}
    assert unfinished(tmp_path) == set()


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
    assert JobRecord("r", None, [], {}, parameters, 0, 0).code == code
