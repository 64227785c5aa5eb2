"""The check of all results: it notes how they were made, and stops at what nothing vouches for."""

import shutil

import pytest

from clipn.study.snakemake import Mode
from tests.helpers.records import (
    ARCHIVE,
    IMAGES,
    NAMES,
    OWN_TABLE,
    REPORT,
    TABLE,
    UNUSED,
    WORDS,
    Made,
    error_of,
    files_of,
    home,
    not_as_made,
    outputs,
    record_file,
    sha256,
)


def not_as_left(paths: str) -> str:
    """The message of a check that finds results edited that were never hashed before."""
    remedy = "what is removed is rebuilt, and `clipn accept all` vouches for what is here"
    return f"{paths}: not as its job left it, and a kill left no hash of that; {remedy}"


# The first check of a file


def test_the_hash_of_every_file_is_noted(made: Made) -> None:
    made.check()
    noted = {path: record.sha256 for path, record in made.records().items()}
    assert noted == {path: sha256(path) for path in files_of("demo")} | {TABLE: sha256(OWN_TABLE)}


@pytest.mark.parametrize(("later", "known"), [(-1, True), (0, True), (1, False)])
def test_inputs_that_were_too_large_for_snakemake_are_hashed_if_older_than_the_job(
    made: Made, later: int, known: bool
) -> None:
    made.source("large.bin", "much")
    made.make(UNUSED, "count_words", "large.bin", input_checksums={})
    made.date("large.bin", made.clock - 5 + later)
    made.check()
    assert made.records()[UNUSED].hashes == ({"large.bin": sha256("much")} if known else {})


def test_a_large_input_that_changes_later_keeps_the_hash_of_what_was_read(made: Made) -> None:
    made.source("large.bin", "much")
    made.make(UNUSED, "count_words", "large.bin", input_checksums={})
    made.check()
    made.write("large.bin", "more")
    made.check()
    assert made.records()[UNUSED].hashes == {"large.bin": sha256("much")}


def test_what_snakemake_hashed_stays(made: Made) -> None:
    made.write(WORDS, "edited")
    made.date(WORDS, 1)
    made.check()
    assert made.records()[ARCHIVE].hashes == {WORDS: sha256("yes no")}


def test_a_file_that_changed_after_its_job_had_ended_and_before_the_check_stops_it(made: Made) -> None:
    made.write(OWN_TABLE, "edited")
    assert error_of(made) == not_as_left(OWN_TABLE)


def test_of_changed_files_those_that_were_never_hashed_are_named_first(made: Made) -> None:
    made.check()
    for path in (UNUSED, OWN_TABLE):
        made.make(path, "run_again", ARCHIVE)
    for path in (ARCHIVE, UNUSED, OWN_TABLE):
        made.write(path, "edited")
    assert error_of(made) == not_as_left(f"{UNUSED}, {OWN_TABLE}")


def test_what_was_removed_as_the_message_says_is_to_be_rebuilt(made: Made) -> None:
    made.write(OWN_TABLE, "edited")
    error_of(made)
    (made.root / OWN_TABLE).unlink()
    made.check(expected=files_of("demo"))
    assert made.records()[OWN_TABLE].sha256 is None


def test_nothing_is_noted_of_a_file_that_stopped_the_check(made: Made) -> None:
    made.write(OWN_TABLE, "edited")
    error_of(made)
    assert made.records()[OWN_TABLE].sha256 is None


# Results that are not as they were made


@pytest.mark.parametrize("path", [OWN_TABLE, TABLE, NAMES])
def test_an_edited_result_stops_the_check(made: Made, path: str) -> None:
    made.check()
    made.write(path, "edited")
    assert error_of(made) == not_as_made(path)


def test_a_date_from_before_does_not_hide_an_edit(made: Made) -> None:
    made.check()
    date = (made.root / OWN_TABLE).stat().st_mtime
    made.write(OWN_TABLE, "edited")
    made.date(OWN_TABLE, date)
    assert error_of(made) == not_as_made(OWN_TABLE)


def test_no_more_than_three_results_are_named(made: Made) -> None:
    made.check()
    for path in (ARCHIVE, NAMES, IMAGES, UNUSED):
        made.write(path, "edited")
    assert error_of(made).startswith(
        f"{ARCHIVE}, {IMAGES}, {NAMES} and 1 more: not as made; `dvc checkout --force` gets"
    )


def test_a_result_of_another_study_does_not_stop_the_check(made: Made) -> None:
    made.study("other")
    made.check("other")
    made.write(OWN_TABLE, "edited")
    made.check("other")
    assert error_of(made, "demo") == not_as_left(OWN_TABLE)


def test_a_touched_result_does_not_stop_the_check(made: Made) -> None:
    made.check()
    before = made.records()
    made.date(OWN_TABLE, made.clock + 100)
    made.check()
    assert made.records() == before


def test_an_edited_result_that_was_removed_does_not_stop_the_check(made: Made) -> None:
    made.check()
    made.write(OWN_TABLE, "edited")
    error_of(made)
    (made.root / OWN_TABLE).unlink()
    made.check()
    assert made.records()[OWN_TABLE].sha256 == sha256(OWN_TABLE)


def test_an_edited_result_that_was_put_back_does_not_stop_the_check(made: Made) -> None:
    made.check()
    made.write(OWN_TABLE, "edited")
    error_of(made)
    made.write(OWN_TABLE, OWN_TABLE)
    made.check()


def test_a_result_that_was_rebuilt_does_not_stop_the_check(made: Made) -> None:
    made.check()
    made.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures")
    made.check()
    assert made.records()[OWN_TABLE].sha256 == sha256("other figures")


def test_a_file_whose_job_has_not_ended_is_let_be(made: Made) -> None:
    made.check()
    before = made.records()
    made.begin(OWN_TABLE)
    made.write(OWN_TABLE, "half")
    made.check()
    assert made.records() == before
    assert outputs(made.root / REPORT)[-1] == [TABLE]
    assert sha256("half") not in (made.root / REPORT).read_text()


def test_a_file_whose_first_job_has_not_ended_needs_no_record(made: Made) -> None:
    new = f"{home('demo')}/tables/new.csv"
    made.write(new, "half")
    made.begin(new)
    made.check(expected=[new])


# Results without a record


def test_an_expected_file_without_a_record_stops_the_check_and_the_records_are_named(made: Made) -> None:
    record_file(made.root / ".snakemake/metadata", OWN_TABLE).unlink()
    assert error_of(made, expected=files_of("demo")) == (
        f"{OWN_TABLE}: no record says how this was made; `dvc pull {home('demo')}/provenance/report.jsonl` gets the "
        "records, what is removed is rebuilt, and `clipn accept all` vouches for what is here"
    )


def test_where_all_stages_lack_records_everything_is_to_be_pulled(made: Made) -> None:
    shutil.rmtree(made.root / ".snakemake")
    found = error_of(made, expected=files_of("demo"))
    assert found.startswith(f"{ARCHIVE}, {IMAGES}, {NAMES} and 3 more: no record says how this was made")
    assert "; `dvc pull` gets the records" in found


def test_an_expected_file_that_is_not_here_needs_no_record(made: Made) -> None:
    made.check(expected=[f"{home('demo')}/tables/new.csv"])


def test_a_file_that_nobody_expects_needs_no_record(made: Made) -> None:
    made.write(f"{home('demo')}/tables/notes.csv", "mine")
    made.check(expected=files_of("demo"))


class TestAccept:
    """What passes while a person vouches for results."""

    def test_a_file_without_a_record_is_let_be(self, made: Made) -> None:
        record_file(made.root / ".snakemake/metadata", OWN_TABLE).unlink()
        made.check(expected=files_of("demo"), mode=Mode.ACCEPT)
        assert OWN_TABLE not in made.records()

    def test_a_file_that_was_never_hashed_is_taken_as_it_is(self, made: Made) -> None:
        made.write(OWN_TABLE, "edited")
        made.check(mode=Mode.ACCEPT)
        assert made.records()[OWN_TABLE].sha256 == sha256("edited")

    def test_an_edited_result_stops_the_check(self, made: Made) -> None:
        made.check()
        made.write(OWN_TABLE, "edited")
        assert error_of(made, mode=Mode.ACCEPT) == not_as_made(OWN_TABLE)
