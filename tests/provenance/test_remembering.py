"""What checks write down of results, and what they forget."""

from pathlib import Path

import pytest

from clipn.provenance.state.run_state import RunState
from clipn.study.snakemake import Mode
from tests.helpers.records import (
    ARCHIVE,
    CODE,
    DATA,
    IMAGES,
    NAMES,
    OTHER_CODE,
    OWN_TABLE,
    REPORT,
    TABLE,
    UNUSED,
    Made,
    error_of,
    files_of,
    home,
    lines,
    outputs,
    sha256,
    written,
)

# The files of records


def test_a_file_holds_the_records_of_its_stage_and_of_what_they_were_made_from(made: Made) -> None:
    made.check()
    assert outputs(made.root / DATA) == [[ARCHIVE], [IMAGES, NAMES], [UNUSED]]
    assert outputs(made.root / REPORT) == [[ARCHIVE], [IMAGES, NAMES], [OWN_TABLE], [TABLE]]


def test_a_file_holds_the_hashes_of_the_outputs(made: Made) -> None:
    made.check()
    assert lines(made.root / DATA)[1]["outputs"] == {IMAGES: sha256(IMAGES), NAMES: sha256(NAMES)}


def test_a_file_holds_nothing_of_another_study(made: Made) -> None:
    made.study("other")
    made.check("demo")
    assert "other" not in (made.root / REPORT).read_text()


def test_a_file_holds_no_times(made: Made) -> None:
    made.check()
    jobs = [line["job"] for path in (DATA, REPORT) for line in lines(made.root / path) if "job" in line]
    assert all(job["rule"] for job in jobs)
    assert {field for job in jobs for field in job}.isdisjoint(
        {"starttime", "endtime", "job_hash", "external_jobid", "incomplete"}
    )


def test_the_same_results_give_the_same_files_whenever_they_were_made(made: Made, tmp_path: Path) -> None:
    later = Made(tmp_path / "later")
    later.clock += 12345
    later.study("demo")
    made.check()
    later.check()
    assert (later.root / DATA).read_bytes() == (made.root / DATA).read_bytes()
    assert (later.root / REPORT).read_bytes() == (made.root / REPORT).read_bytes()


def test_a_second_check_writes_the_same_files_of_records(made: Made) -> None:
    made.check()
    made.publish()
    made.check()
    before = [written(made.root / path) for path in (DATA, REPORT)]
    made.check()
    assert [written(made.root / path) for path in (DATA, REPORT)] == before


def test_a_second_check_writes_the_same_records(made: Made) -> None:
    made.check()
    files = sorted((made.root / ".snakemake/metadata").iterdir())
    before = [written(file) for file in files]
    made.check()
    assert [written(file) for file in files] == before


@pytest.mark.parametrize("name", ["hash_cache.json", "run_state.json"])
def test_checks_of_what_is_known_keep_the_same(made: Made, name: str) -> None:
    made.check()
    made.check()  # the files of records are hashed for the first time
    before = (made.root / ".snakemake" / name).read_text()
    made.check()
    assert (made.root / ".snakemake" / name).read_text() == before


def test_a_removed_file_that_nobody_expects_leaves_the_records_of_its_stage(made: Made) -> None:
    made.check()
    (made.root / UNUSED).unlink()
    made.check()
    assert outputs(made.root / DATA) == [[ARCHIVE], [IMAGES, NAMES]]


def test_expected_files_that_are_away_stay_in_the_records_of_their_stages(made: Made) -> None:
    made.check(expected=files_of("demo"))
    before = [written(made.root / path) for path in (DATA, REPORT)]
    for path in (UNUSED, NAMES, OWN_TABLE):
        (made.root / path).unlink()
    made.check(expected=files_of("demo"))
    assert [written(made.root / path) for path in (DATA, REPORT)] == before


class TestDry:
    """A check of somebody who only asks."""

    def test_it_writes_no_file_of_records_and_makes_no_folder(self, made: Made) -> None:
        before = set(made.root.rglob("*"))
        made.check(mode=Mode.DRY_RUN)
        added = {str(path.relative_to(made.root)) for path in set(made.root.rglob("*")) - before}
        assert {path for path in added if not path.startswith(".snakemake")} == set()

    def test_so_is_one_that_accepts(self, made: Made) -> None:
        made.check(mode=Mode.ACCEPT | Mode.DRY_RUN)
        assert not (made.root / REPORT).exists()
        made.check()
        assert (made.root / REPORT).exists()

    def test_it_leaves_a_file_of_records_as_it_is(self, made: Made) -> None:
        made.check()
        before = written(made.root / REPORT)
        made.publish(params=["'--new'"])
        made.check(mode=Mode.DRY_RUN)
        assert written(made.root / REPORT) == before
        made.check()
        published = [line for line in lines(made.root / REPORT) if TABLE in line.get("outputs", [])]
        assert published[0]["job"]["params"] == ["'--new'"]

    def test_it_notes_what_only_this_machine_reads(self, made: Made) -> None:
        state = made.check(mode=Mode.DRY_RUN, closures={CODE: {"clipn.losses": "aa"}})
        assert made.records()[IMAGES].sha256 == sha256(IMAGES)
        assert state.modules == {CODE: {"clipn.losses": "aa"}}

    def test_it_takes_over_what_travelled(self, made: Made, tmp_path: Path) -> None:
        made.check()
        elsewhere = made.copied_to(tmp_path / "elsewhere")
        elsewhere.check(expected=files_of("demo"), mode=Mode.DRY_RUN)
        assert elsewhere.records() == made.records()


def test_a_removed_file_of_records_is_written_again(made: Made) -> None:
    made.check()
    before = (made.root / REPORT).read_bytes()
    (made.root / REPORT).unlink()
    made.check()
    assert (made.root / REPORT).read_bytes() == before


def test_a_damaged_file_of_records_stops_the_check(made: Made) -> None:
    made.check()
    made.write(REPORT, "{")
    file = made.root / REPORT
    remedy = f"get it back with `dvc checkout --force {file}`, or remove it if its results were made here"
    assert error_of(made) == f"{file}: is no file of records; {remedy}"


def test_the_folders_of_a_stage_are_created_with_its_file(made: Made) -> None:
    made.check()
    assert (made.root / home("demo") / "figures").is_dir()


def test_a_stage_without_files_leaves_nothing(made: Made) -> None:
    for path in (TABLE, OWN_TABLE):
        (made.root / path).unlink()
    made.check(expected=[OWN_TABLE])
    assert not (made.root / home("demo") / "figures").exists()
    assert not (made.root / REPORT).exists()
    assert (made.root / DATA).is_file()


def test_a_stage_that_a_study_has_nothing_of_has_a_file_without_records(made: Made) -> None:
    for path in (TABLE, OWN_TABLE):
        (made.root / path).unlink()
    made.check(expected=[ARCHIVE, NAMES, IMAGES, UNUSED])
    assert (made.root / home("demo") / "figures").is_dir()
    assert (made.root / REPORT).read_text() == ""


# What is forgotten


def test_modules_are_kept_while_a_record_refers_to_them(made: Made) -> None:
    made.publish(params=[f"'{CODE}'"])
    made.check(closures={CODE: {"clipn.training.clipn": "aa"}})
    made.check(closures={OTHER_CODE: {"clipn.training.clipn": "bb"}})
    assert RunState(made.root).modules == {
        CODE: {"clipn.training.clipn": "aa"},
        OTHER_CODE: {"clipn.training.clipn": "bb"},
    }


def test_modules_that_no_record_refers_to_are_forgotten(made: Made) -> None:
    made.publish(params=[f"'{CODE}'"])
    made.check(closures={CODE: {"clipn.training.clipn": "aa"}})
    made.publish(params=[f"'{OTHER_CODE}'"])
    made.check(closures={OTHER_CODE: {"clipn.training.clipn": "bb"}})
    assert RunState(made.root).modules == {OTHER_CODE: {"clipn.training.clipn": "bb"}}


# What is read


def test_files_of_another_study_are_not_read(made: Made, read: list[Path]) -> None:
    made.study("other")
    made.check("demo")
    assert [path for path in read if path.suffix == ".tar"] == [made.root / ARCHIVE]


def test_what_was_read_is_remembered_though_the_check_stops(made: Made, read: list[Path]) -> None:
    made.write(OWN_TABLE, "edited")
    for _ in range(2):
        assert error_of(made)
    assert read.count(made.root / UNUSED) == 1
