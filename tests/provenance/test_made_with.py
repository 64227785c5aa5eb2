"""Records say with which libraries files were made, and it is said where different ones stand together."""

import json
from pathlib import Path

import pytest

from clipn.compute import MACHINE, described
from clipn.provenance.records import differences, made_with, read_records
from clipn.provenance.stage_files import read_stage_records
from clipn.provenance.why import arithmetic_notes
from tests.helpers.records import ARCHIVE, DATA, IMAGES, OWN_TABLE, REPORT, TABLE, UNUSED, Made, files_of, lines

OLD, NEW = "portable avx2 numpy-2.4.6 torch-2.14.0", "portable avx2 numpy-2.4.6 torch-2.15.0"


def ran(made: Made, path: str, machine: str, seconds: float = 0) -> None:
    """Leave the log of the job that made a file."""
    log = read_records(made.root)[path].logs[0]
    made.write(log, f"clipn some command\n{MACHINE}{machine}\nused: 1.00 CPU seconds, 100 MiB of memory\n")
    made.date(log, read_records(made.root)[path].ended + seconds)


def known(made: Made) -> dict[str, str | None]:
    return {path: record.made_with for path, record in made.records().items()}


@pytest.fixture
def mixed(made: Made) -> Made:
    """A study whose table was made with another torch than its dataset, and whose archive was only fetched."""
    ran(made, ARCHIVE, "AMD EPYC")
    ran(made, IMAGES, f"AMD EPYC, {OLD}")
    ran(made, OWN_TABLE, f"AMD EPYC, {NEW}")
    made.check()
    return made


def test_a_record_says_what_the_log_of_its_job_does(mixed: Made) -> None:
    archive, names, images, unused, table, copy = files_of("demo")
    assert known(mixed) == {archive: None, names: OLD, images: OLD, unused: None, table: NEW, copy: None}


def test_it_stays_when_the_log_is_gone_and_travels(mixed: Made, tmp_path: Path) -> None:
    before = known(mixed)
    for log in mixed.root.glob("logs/**/*.log"):
        log.unlink()
    mixed.check()
    assert known(mixed) == before
    assert {line["job"]["made_with"] for line in lines(mixed.root / REPORT) if "job" in line} == {None, OLD, NEW}
    there = mixed.copied_to(tmp_path / "there")
    there.check()
    assert known(there) == before
    assert (there.root / REPORT).read_bytes() == (mixed.root / REPORT).read_bytes()


def test_a_log_of_an_earlier_run_says_nothing(made: Made) -> None:
    ran(made, UNUSED, f"AMD EPYC, {OLD}", seconds=-6)
    made.check()
    assert known(made)[UNUSED] is None


def test_another_library_makes_nothing_stale(mixed: Made) -> None:
    assert not any(record.stale for record in mixed.records().values())


def test_records_of_an_earlier_version_say_nothing(mixed: Made) -> None:
    old = [json.loads(line) for line in (mixed.root / DATA).read_text().splitlines()]
    for line in old:
        line["job"].pop("made_with", None)
    (mixed.root / DATA).write_text("".join(f"{json.dumps(line)}\n" for line in old))
    assert {record.made_with for record in read_stage_records(mixed.root / DATA).records.values()} == {None}


def test_files_by_what_made_them(mixed: Made) -> None:
    found = made_with([TABLE, OWN_TABLE, IMAGES, "unknown"], read_records(mixed.root), mixed.root)
    assert found == {NEW: [OWN_TABLE], OLD: [IMAGES]}


def test_only_what_differs_is_named() -> None:
    assert differences({}) == differences({NEW: ["a"]}) == ""
    assert differences({OLD: ["a", "b"], NEW: ["c"]}) == "torch-2.14.0 (a and 1 more), torch-2.15.0 (c)"
    assert differences({NEW: ["a"], f"{NEW} LD_PRELOAD=x.so": ["b"]}) == "no variable (a), LD_PRELOAD=x.so (b)"


def test_why_says_that_different_ones_stand_together() -> None:
    assert arithmetic_notes({OLD: ["a"], NEW: ["b"]}, is_rebuilt=False) == [
        "  made with different libraries, kernels or variables: torch-2.14.0 (a), torch-2.15.0 (b)",
        "      nothing is re-run for that; `snakemake --forceall all` makes everything with those that are here",
    ]


def test_why_says_that_different_ones_would_stand_together() -> None:
    here = f"portable avx2 {' '.join(described().split()[1:])}"
    assert arithmetic_notes({here: ["a"]}, is_rebuilt=True) == []
    then = here.replace("numpy-", "numpy-1.")
    assert arithmetic_notes({then: ["a"]}, is_rebuilt=False) == []
    (note,) = arithmetic_notes({then: ["a"]}, is_rebuilt=True)
    assert note.startswith("  would be rebuilt with numpy-")
    assert note.endswith(", and what stays was made with others")
