"""What travels with results is taken over where it tells of the files that are here, and else refused."""

import json
import shutil
from pathlib import Path

import pytest

from clipn.provenance.records import read_records
from tests.helpers.records import (
    ARCHIVE,
    CODE,
    DATA,
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
    lines,
    not_as_made,
    outputs,
    record_file,
    sha256,
)


@pytest.fixture
def elsewhere(made: Made, tmp_path: Path) -> Made:
    """The same results on a machine that they travelled to."""
    made.check()
    return made.copied_to(tmp_path / "elsewhere")


def fetched(made: Made, other: Made, *paths: str) -> None:
    """Copy files of another machine over those here, as a pull does."""
    for path in paths:
        shutil.copyfile(other.root / path, made.root / path)


# Records that travelled


def test_records_travel_with_the_results(made: Made, elsewhere: Made) -> None:
    elsewhere.check(expected=files_of("demo"))
    assert elsewhere.records() == made.records()
    assert len(elsewhere.records()) == len(files_of("demo"))


def test_travelled_results_are_as_old_as_their_files(elsewhere: Made) -> None:
    elsewhere.date(UNUSED, elsewhere.clock + 5e6)
    elsewhere.check()
    record = read_records(elsewhere.root)[UNUSED]
    assert (record.started, record.ended) == (elsewhere.clock + 5e6, elsewhere.clock + 5e6)


def test_results_that_arrive_in_any_order_get_dates_in_order(elsewhere: Made) -> None:
    for seconds, path in enumerate(reversed([WORDS, *files_of("demo")])):
        elsewhere.date(path, seconds)
    elsewhere.check()
    dates = [(elsewhere.root / path).stat().st_mtime for path in (WORDS, *files_of("demo"))]
    assert dates == [6, 6, 6, 6, 6, 6, 6]


def test_records_travel_on(elsewhere: Made, made: Made, tmp_path: Path) -> None:
    elsewhere.check()
    third = elsewhere.copied_to(tmp_path / "third")
    third.check(expected=files_of("demo"))
    assert third.records() == made.records()
    assert (third.root / REPORT).read_bytes() == (made.root / REPORT).read_bytes()


def test_a_travelled_record_of_another_file_is_refused(elsewhere: Made) -> None:
    elsewhere.write(OWN_TABLE, "edited on the way")
    assert error_of(elsewhere) == not_as_made(OWN_TABLE)


def test_a_travelled_record_of_a_file_that_is_not_here_is_taken_over(made: Made, elsewhere: Made) -> None:
    (elsewhere.root / ARCHIVE).unlink()
    elsewhere.check()
    assert elsewhere.records()[ARCHIVE] == made.records()[ARCHIVE]


def test_a_stage_that_travels_alone_brings_the_records_of_all_before_it(made: Made, elsewhere: Made) -> None:
    shutil.rmtree(elsewhere.root / home("demo") / "archives")
    shutil.rmtree(elsewhere.root / home("demo") / "datasets")
    (elsewhere.root / DATA).unlink()
    elsewhere.check(expected=files_of("demo"))
    assert elsewhere.records() == {path: record for path, record in made.records().items() if path != UNUSED}


class TestOwner:
    """Two stages bring records of one file, which has the same content by both."""

    def bring(self, to: Made, by: str, path: str, option: str, content: str | None = None) -> None:
        """Let the file of one stage, and no other, say that the job had an option and what it made."""
        found = next(line for line in lines(to.root / REPORT) if path in line["outputs"])
        found["job"]["params"] = [option]
        found["outputs"][path] = sha256(content or path)
        others = [line for line in lines(to.root / by) if path not in line["outputs"]]
        (to.root / by).write_text("".join(f"{json.dumps(line)}\n" for line in [*others, found]))

    @pytest.mark.parametrize(("path", "own", "other"), [(OWN_TABLE, REPORT, DATA), (ARCHIVE, DATA, REPORT)])
    def test_that_of_its_own_stage_is_taken(self, elsewhere: Made, path: str, own: str, other: str) -> None:
        self.bring(elsewhere, own, path, "own")
        self.bring(elsewhere, other, path, "other")
        elsewhere.check()
        assert elsewhere.records()[path].parameters == ["own"]

    def test_that_of_another_stage_is_taken_where_that_of_its_own_tells_of_another_file(self, elsewhere: Made) -> None:
        self.bring(elsewhere, DATA, ARCHIVE, "own", content="of another day")
        self.bring(elsewhere, REPORT, ARCHIVE, "other")
        elsewhere.check()
        assert elsewhere.records()[ARCHIVE].parameters == ["other"]


class TestNews:
    """Two machines have the same results, and one of them rebuilds some."""

    @pytest.fixture
    def other(self, elsewhere: Made) -> Made:
        elsewhere.check()
        elsewhere.clock += 100
        return elsewhere

    def test_a_result_that_was_rebuilt_elsewhere(self, made: Made, other: Made) -> None:
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures", params=["'--new'"])
        other.check()
        fetched(made, other, OWN_TABLE, REPORT)
        made.check()
        record = made.records()[OWN_TABLE]
        assert (record.sha256, record.parameters) == (sha256("other figures"), ["'--new'"])

    def test_a_result_that_was_rebuilt_elsewhere_and_is_the_same(self, made: Made, other: Made) -> None:
        other.publish(params=["'--new'"])
        other.check()
        fetched(made, other, REPORT)
        made.check()
        assert made.records()[TABLE].parameters == ["'--new'"]

    def test_the_file_is_still_the_local_one(self, made: Made, other: Made) -> None:
        before, report = made.records(), (made.root / REPORT).read_bytes()
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures")
        other.check()
        fetched(made, other, REPORT)
        made.check()
        assert made.records() == before
        assert (made.root / REPORT).read_bytes() == report

    def test_neither_record_tells_of_the_file(self, made: Made, other: Made) -> None:
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures")
        other.check()
        fetched(made, other, REPORT)
        made.write(OWN_TABLE, "edited")
        assert error_of(made) == not_as_made(OWN_TABLE)

    def test_what_this_machine_wrote_is_no_news(self, made: Made) -> None:
        made.check()
        made.publish(params=["'--new'"])
        made.check()
        assert made.records()[TABLE].parameters == ["'--new'"]

    def test_what_this_machine_has_read_is_no_news(self, made: Made, other: Made) -> None:
        other.publish(params=["'--new'"])
        other.check()
        fetched(made, other, REPORT)
        made.check()
        made.publish(params=["'--newer'"])
        made.check()
        assert made.records()[TABLE].parameters == ["'--newer'"]

    def test_an_earlier_state_that_was_checked_out_again(self, made: Made, tmp_path: Path) -> None:
        made.check()
        before, earlier = made.records()[OWN_TABLE], made.copied_to(tmp_path / "earlier")
        made.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures", params=["'--new'"])
        made.check()
        fetched(made, earlier, OWN_TABLE, REPORT)
        made.check()
        assert made.records()[OWN_TABLE] == before

    def test_what_was_accepted_elsewhere(self, made: Made, other: Made) -> None:
        file = record_file(other.root / ".snakemake/metadata", TABLE)
        file.write_text(json.dumps(json.loads(file.read_text()) | {"accepted": ["module clipn/training/clipn.py"]}))
        other.check()
        fetched(made, other, REPORT)
        made.check()
        assert made.records()[TABLE].accepted == ("module clipn/training/clipn.py",)

    def test_news_stay_news_while_another_study_is_checked(self, made: Made, other: Made) -> None:
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, params=["'--new'"])
        other.check()
        fetched(made, other, REPORT)
        made.check("other")
        made.check("demo")
        assert made.records()[OWN_TABLE].parameters == ["'--new'"]


def test_modules_travel(made: Made, tmp_path: Path) -> None:
    made.publish(params=[f"'{CODE}'"])
    made.check(closures={CODE: {"clipn.training.clipn": "aa"}})
    state = made.copied_to(tmp_path / "elsewhere").check()
    assert state.modules == {CODE: {"clipn.training.clipn": "aa"}}


# Copies at the short paths


@pytest.fixture
def two(made: Made, tmp_path: Path) -> Made:
    """Two studies that travelled, the other one shown at the short path."""
    made.check()
    made.study("other")
    made.check("other")
    return made.copied_to(tmp_path / "elsewhere")


def test_the_copy_of_another_study_is_recognised_by_its_records(two: Made) -> None:
    two.check("demo", expected=[OWN_TABLE, TABLE])
    assert two.records()[TABLE].inputs == [f"{home('other')}/tables/x.csv"]


def test_the_copy_of_another_study_is_refused_without_its_records(two: Made) -> None:
    shutil.rmtree(two.root / home("other") / "provenance")
    assert error_of(two, "demo") == not_as_made(TABLE)


def test_the_copy_of_another_study_is_not_in_the_records_of_the_active_one(two: Made) -> None:
    before = outputs(two.root / REPORT)
    assert before[-1] == [TABLE]
    two.check("demo")
    assert outputs(two.root / REPORT) == before[:-1]


def test_records_of_another_study_are_not_taken_over(two: Made) -> None:
    two.check("demo")
    assert not [path for path in two.records() if path.startswith(home("other"))]
