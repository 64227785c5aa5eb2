"""The look at all results: it notes how they were made, takes over what travelled with them, and stops at the rest."""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipn import fingerprint, guard
from clipn.errors import ClipnError
from clipn.guard import settings_key
from clipn.ledger import LEDGER, Ledger
from clipn.provenance import read_records
from tests.records import TABLE, WORDS, Made, files_of, home, record_file, sha256

ARCHIVE, NAMES, IMAGES, UNUSED, OWN_TABLE, _ = files_of("demo")
DATA = f"{home('demo')}/provenance/data.jsonl"
REPORT = f"{home('demo')}/provenance/report.jsonl"
CODE, OTHER_CODE = "00000000deadbeef", "0123456789abcdef"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A study as Snakemake leaves it, before the first look."""
    made = Made(tmp_path / "here")
    made.study("demo")
    return made


@pytest.fixture
def elsewhere(made: Made, tmp_path: Path) -> Made:
    """The same results on a machine that they travelled to."""
    made.look()
    return made.copied_to(tmp_path / "elsewhere")


def publish(made: Made, **fields: Any) -> None:
    """Make the copy of the table anew, with the same content."""
    table = (made.root / OWN_TABLE).read_text()
    made.make(TABLE, "publish", OWN_TABLE, content=table, **fields)


def fetched(made: Made, other: Made, *paths: str) -> None:
    """Copy files of another machine over those here, as a pull does."""
    for path in paths:
        shutil.copyfile(other.root / path, made.root / path)


def complaint(made: Made, study: str = "demo", expected: Iterable[str] = ()) -> str:
    with pytest.raises(ClipnError) as caught:
        made.look(study, expected)
    return str(caught.value)


def not_as_made(path: str) -> str:
    remedy = f"`dvc checkout --force {path}` gets back what was made, and what is removed is made anew"
    return f"{path}: not as made; {remedy}"


def lines(made: Made, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (made.root / path).read_text().splitlines()]


def outputs(made: Made, path: str) -> list[list[str]]:
    """The files of every job in a file of records."""
    return [list(line["outputs"]) for line in lines(made, path) if "outputs" in line]


# The first look at a file


def test_the_hash_of_every_file_is_noted(made: Made) -> None:
    made.look()
    noted = {path: record.sha256 for path, record in made.records().items()}
    assert noted == {path: sha256(path) for path in files_of("demo")} | {TABLE: sha256(OWN_TABLE)}


def test_the_settings_are_those_of_the_run_that_made_the_file(made: Made) -> None:
    made.look(seed=1)
    made.make(UNUSED, "count_words", ARCHIVE)
    made.look(seed=2)
    publish(made)
    made.look(seed=3)
    records = made.records()
    assert records[UNUSED].settings == settings_key({"seed": 1})
    assert records[TABLE].settings == settings_key({"seed": 2})
    assert records[OWN_TABLE].settings is None


def test_the_run_that_begins_is_remembered_with_its_settings(made: Made) -> None:
    ledger = made.look(seed=2)
    assert ledger.running == settings_key({"seed": 2})
    assert ledger.settings == {settings_key({"seed": 2}): {"seed": 2}}


@pytest.mark.parametrize(("later", "known"), [(-1, True), (0, True), (1, False)])
def test_inputs_that_were_too_large_for_snakemake_are_hashed_if_older_than_the_job(
    made: Made, later: int, known: bool
) -> None:
    made.source("large.bin", "much")
    made.make(UNUSED, "count_words", "large.bin", input_checksums={})
    made.date("large.bin", made.clock - 5 + later)
    made.look()
    assert made.records()[UNUSED].hashes == ({"large.bin": sha256("much")} if known else {})


def test_a_large_input_that_changes_later_keeps_the_hash_of_what_was_read(made: Made) -> None:
    made.source("large.bin", "much")
    made.make(UNUSED, "count_words", "large.bin", input_checksums={})
    made.look()
    made.write("large.bin", "more")
    made.look()
    assert made.records()[UNUSED].hashes == {"large.bin": sha256("much")}


def test_what_snakemake_hashed_stays(made: Made) -> None:
    made.write(WORDS, "edited")
    made.date(WORDS, 1)
    made.look()
    assert made.records()[ARCHIVE].hashes == {WORDS: sha256("yes no")}


def test_a_file_that_changed_after_its_job_had_ended_and_before_the_look_stops_it(made: Made) -> None:
    made.write(OWN_TABLE, "edited")
    assert complaint(made) == not_as_made(OWN_TABLE)


def test_nothing_is_noted_of_a_file_that_stopped_the_look(made: Made) -> None:
    made.write(OWN_TABLE, "edited")
    complaint(made)
    assert made.records()[OWN_TABLE].sha256 is None


# Results that are not as they were made


@pytest.mark.parametrize("path", [OWN_TABLE, TABLE, NAMES])
def test_an_edited_result_stops_the_look(made: Made, path: str) -> None:
    made.look()
    made.write(path, "edited")
    assert complaint(made) == not_as_made(path)


def test_a_date_from_before_does_not_hide_an_edit(made: Made) -> None:
    made.look()
    date = (made.root / OWN_TABLE).stat().st_mtime
    made.write(OWN_TABLE, "edited")
    made.date(OWN_TABLE, date)
    assert complaint(made) == not_as_made(OWN_TABLE)


def test_no_more_than_three_results_are_named(made: Made) -> None:
    made.look()
    for path in (ARCHIVE, NAMES, IMAGES, UNUSED):
        made.write(path, "edited")
    assert complaint(made).startswith(
        f"{ARCHIVE}, {IMAGES}, {NAMES} and 1 more: not as made; `dvc checkout --force` gets"
    )


def test_a_result_of_another_study_does_not_stop_the_look(made: Made) -> None:
    made.study("other")
    made.look("other")
    made.write(OWN_TABLE, "edited")
    made.look("other")
    assert complaint(made, "demo") == not_as_made(OWN_TABLE)


def test_a_touched_result_does_not_stop_the_look(made: Made) -> None:
    made.look()
    before = made.records()
    made.date(OWN_TABLE, made.clock + 100)
    made.look()
    assert made.records() == before


def test_an_edited_result_that_was_removed_does_not_stop_the_look(made: Made) -> None:
    made.look()
    made.write(OWN_TABLE, "edited")
    complaint(made)
    (made.root / OWN_TABLE).unlink()
    made.look()
    assert made.records()[OWN_TABLE].sha256 == sha256(OWN_TABLE)


def test_an_edited_result_that_was_put_back_does_not_stop_the_look(made: Made) -> None:
    made.look()
    made.write(OWN_TABLE, "edited")
    complaint(made)
    made.write(OWN_TABLE, OWN_TABLE)
    made.look()


def test_a_result_that_was_made_anew_does_not_stop_the_look(made: Made) -> None:
    made.look()
    made.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures")
    made.look()
    assert made.records()[OWN_TABLE].sha256 == sha256("other figures")


def test_a_file_whose_job_has_not_ended_is_let_be(made: Made) -> None:
    made.look()
    before = made.records()
    made.begin(OWN_TABLE)
    made.write(OWN_TABLE, "half")
    made.look()
    assert made.records() == before
    assert outputs(made, REPORT)[-1] == [TABLE]
    assert sha256("half") not in (made.root / REPORT).read_text()


def test_a_file_whose_first_job_has_not_ended_needs_no_record(made: Made) -> None:
    new = f"{home('demo')}/tables/new.csv"
    made.write(new, "half")
    made.begin(new)
    made.look(expected=[new])


# Results without a record


def test_an_expected_file_without_a_record_stops_the_look_and_the_stage_is_named(made: Made) -> None:
    record_file(made.root / ".snakemake/metadata", OWN_TABLE).unlink()
    assert complaint(made, expected=files_of("demo")) == (
        f"{OWN_TABLE}: no record says how this was made; `dvc pull report` gets the records, what is removed is made "
        "anew, and `clipn accept all` vouches for what is here"
    )


def test_where_all_stages_lack_records_everything_is_to_be_pulled(made: Made) -> None:
    shutil.rmtree(made.root / ".snakemake")
    found = complaint(made, expected=files_of("demo"))
    assert found.startswith(f"{ARCHIVE}, {IMAGES}, {NAMES} and 3 more: no record says how this was made")
    assert "; `dvc pull` gets the records" in found


def test_an_expected_file_that_is_not_here_needs_no_record(made: Made) -> None:
    made.look(expected=[f"{home('demo')}/tables/new.csv"])


def test_a_file_that_nobody_expects_needs_no_record(made: Made) -> None:
    made.write(f"{home('demo')}/tables/notes.csv", "mine")
    made.look(expected=files_of("demo"))


class TestTrusting:
    @pytest.fixture(autouse=True)
    def trusting(self) -> Iterator[None]:
        with guard.trusting():
            yield

    def test_a_file_without_a_record_is_let_be(self, made: Made) -> None:
        record_file(made.root / ".snakemake/metadata", OWN_TABLE).unlink()
        made.look(expected=files_of("demo"))
        assert OWN_TABLE not in made.records()

    def test_a_file_that_was_never_looked_at_is_taken_as_it_is(self, made: Made) -> None:
        made.write(OWN_TABLE, "edited")
        made.look()
        assert made.records()[OWN_TABLE].sha256 == sha256("edited")

    def test_an_edited_result_stops_the_look(self, made: Made) -> None:
        guard._trusting = False
        made.look()
        guard._trusting = True
        made.write(OWN_TABLE, "edited")
        assert complaint(made) == not_as_made(OWN_TABLE)


# Records that travelled


def test_records_travel_with_the_results(made: Made, elsewhere: Made) -> None:
    elsewhere.look(expected=files_of("demo"))
    assert elsewhere.records() == made.records()
    assert len(elsewhere.records()) == len(files_of("demo"))


def test_travelled_results_are_as_old_as_their_files(elsewhere: Made) -> None:
    elsewhere.date(UNUSED, elsewhere.clock + 5e6)
    elsewhere.look()
    record = read_records(elsewhere.root)[UNUSED]
    assert (record.started, record.ended) == (elsewhere.clock + 5e6, elsewhere.clock + 5e6)


def test_results_that_arrive_in_any_order_get_dates_in_order(elsewhere: Made) -> None:
    for seconds, path in enumerate(reversed([WORDS, *files_of("demo")])):
        elsewhere.date(path, seconds)
    elsewhere.look()
    dates = [(elsewhere.root / path).stat().st_mtime for path in (WORDS, *files_of("demo"))]
    assert dates == [6, 6, 6, 6, 6, 6, 6]


def test_records_travel_on(elsewhere: Made, made: Made, tmp_path: Path) -> None:
    elsewhere.look()
    third = elsewhere.copied_to(tmp_path / "third")
    third.look(expected=files_of("demo"))
    assert third.records() == made.records()
    assert (third.root / REPORT).read_bytes() == (made.root / REPORT).read_bytes()


def test_a_travelled_record_of_another_file_is_refused(elsewhere: Made) -> None:
    elsewhere.write(OWN_TABLE, "edited on the way")
    assert complaint(elsewhere) == not_as_made(OWN_TABLE)


def test_a_travelled_record_of_a_file_that_is_not_here_is_taken_over(made: Made, elsewhere: Made) -> None:
    (elsewhere.root / ARCHIVE).unlink()
    elsewhere.look()
    assert elsewhere.records()[ARCHIVE] == made.records()[ARCHIVE]


def test_a_stage_that_travels_alone_brings_the_records_of_all_before_it(made: Made, elsewhere: Made) -> None:
    shutil.rmtree(elsewhere.root / home("demo") / "archives")
    shutil.rmtree(elsewhere.root / home("demo") / "datasets")
    (elsewhere.root / DATA).unlink()
    elsewhere.look(expected=files_of("demo"))
    assert elsewhere.records() == {path: record for path, record in made.records().items() if path != UNUSED}


class TestNews:
    """Two machines have the same results, and one of them makes some anew."""

    @pytest.fixture
    def other(self, elsewhere: Made) -> Made:
        elsewhere.look()
        elsewhere.clock += 100
        return elsewhere

    def test_a_result_that_was_made_anew_elsewhere(self, made: Made, other: Made) -> None:
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures", params=["'--new'"])
        other.look()
        fetched(made, other, OWN_TABLE, REPORT)
        made.look()
        record = made.records()[OWN_TABLE]
        assert (record.sha256, record.parameters) == (sha256("other figures"), ["'--new'"])

    def test_a_result_that_was_made_anew_elsewhere_and_is_the_same(self, made: Made, other: Made) -> None:
        publish(other, params=["'--new'"])
        other.look()
        fetched(made, other, REPORT)
        made.look()
        assert made.records()[TABLE].parameters == ["'--new'"]

    def test_the_file_is_still_the_local_one(self, made: Made, other: Made) -> None:
        before, report = made.records(), (made.root / REPORT).read_bytes()
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures")
        other.look()
        fetched(made, other, REPORT)
        made.look()
        assert made.records() == before
        assert (made.root / REPORT).read_bytes() == report

    def test_neither_record_tells_of_the_file(self, made: Made, other: Made) -> None:
        other.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures")
        other.look()
        fetched(made, other, REPORT)
        made.write(OWN_TABLE, "edited")
        assert complaint(made) == not_as_made(OWN_TABLE)

    def test_what_this_machine_wrote_is_no_news(self, made: Made) -> None:
        made.look()
        publish(made, params=["'--new'"])
        made.look()
        assert made.records()[TABLE].parameters == ["'--new'"]

    def test_what_this_machine_has_read_is_no_news(self, made: Made, other: Made) -> None:
        publish(other, params=["'--new'"])
        other.look()
        fetched(made, other, REPORT)
        made.look()
        publish(made, params=["'--newer'"])
        made.look()
        assert made.records()[TABLE].parameters == ["'--newer'"]

    def test_an_earlier_state_that_was_checked_out_again(self, made: Made, tmp_path: Path) -> None:
        made.look()
        before, earlier = made.records()[OWN_TABLE], made.copied_to(tmp_path / "earlier")
        made.make(OWN_TABLE, "ood_table", IMAGES, NAMES, content="other figures", params=["'--new'"])
        made.look()
        fetched(made, earlier, OWN_TABLE, REPORT)
        made.look()
        assert made.records()[OWN_TABLE] == before

    def test_what_was_accepted_elsewhere(self, made: Made, other: Made) -> None:
        file = record_file(other.root / ".snakemake/metadata", TABLE)
        file.write_text(json.dumps(json.loads(file.read_text()) | {"accepted": ["module clipn/train.py"]}))
        other.look()
        fetched(made, other, REPORT)
        made.look()
        assert made.records()[TABLE].accepted == ("module clipn/train.py",)


def test_settings_travel(made: Made, tmp_path: Path) -> None:
    made.look(seed=1)
    publish(made)
    made.look(seed=1)
    elsewhere = made.copied_to(tmp_path / "elsewhere")
    ledger = elsewhere.look(seed=2)
    assert elsewhere.records()[TABLE].settings == settings_key({"seed": 1})
    assert ledger.settings == {settings_key({"seed": seed}): {"seed": seed} for seed in (1, 2)}


def test_modules_travel(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(made, params=[f"'{CODE}'"])
    monkeypatch.setattr(fingerprint, "closures", {CODE: {"clipn.train": "aa"}})
    made.look()
    monkeypatch.setattr(fingerprint, "closures", {})
    ledger = made.copied_to(tmp_path / "elsewhere").look()
    assert ledger.modules == {CODE: {"clipn.train": "aa"}}


# Copies at the short paths


@pytest.fixture
def two(made: Made, tmp_path: Path) -> Made:
    """Two studies that travelled, the other one shown at the short path."""
    made.look()
    made.study("other")
    made.look("other")
    return made.copied_to(tmp_path / "elsewhere")


def test_the_copy_of_another_study_is_recognised_by_its_records(two: Made) -> None:
    two.look("demo", expected=[OWN_TABLE, TABLE])
    assert two.records()[TABLE].inputs == [f"{home('other')}/tables/x.csv"]


def test_the_copy_of_another_study_is_refused_without_its_records(two: Made) -> None:
    shutil.rmtree(two.root / home("other") / "provenance")
    assert complaint(two, "demo") == not_as_made(TABLE)


def test_the_copy_of_another_study_is_not_in_the_records_of_the_active_one(two: Made) -> None:
    before = outputs(two, REPORT)
    assert before[-1] == [TABLE]
    two.look("demo")
    assert outputs(two, REPORT) == before[:-1]


def test_records_of_another_study_are_not_taken_over(two: Made) -> None:
    two.look("demo")
    assert not [path for path in two.records() if path.startswith(home("other"))]


# The files of records


def test_a_file_holds_the_records_of_its_stage_and_of_what_they_were_made_from(made: Made) -> None:
    made.look()
    assert outputs(made, DATA) == [[ARCHIVE], [IMAGES, NAMES], [UNUSED]]
    assert outputs(made, REPORT) == [[ARCHIVE], [IMAGES, NAMES], [OWN_TABLE], [TABLE]]


def test_a_file_holds_the_hashes_of_the_outputs(made: Made) -> None:
    made.look()
    assert lines(made, DATA)[1]["outputs"] == {IMAGES: sha256(IMAGES), NAMES: sha256(NAMES)}


def test_a_file_holds_nothing_of_another_study(made: Made) -> None:
    made.study("other")
    made.look("demo")
    assert "other" not in (made.root / REPORT).read_text()


def test_a_file_holds_no_times(made: Made) -> None:
    made.look()
    fields = {field for path in (DATA, REPORT) for line in lines(made, path) for field in line}
    assert fields.isdisjoint({"starttime", "endtime", "job_hash", "external_jobid", "incomplete"})


def test_the_same_results_give_the_same_files_whenever_they_were_made(made: Made, tmp_path: Path) -> None:
    later = Made(tmp_path / "later")
    later.clock += 12345
    later.study("demo")
    made.look()
    later.look()
    assert (later.root / DATA).read_bytes() == (made.root / DATA).read_bytes()
    assert (later.root / REPORT).read_bytes() == (made.root / REPORT).read_bytes()


def test_a_second_look_writes_the_same_files_of_records(made: Made) -> None:
    made.look(seed=1)
    publish(made)
    made.look(seed=1)
    before = [(made.root / path).stat() for path in (DATA, REPORT)]
    made.look(seed=1)
    assert [(made.root / path).stat() for path in (DATA, REPORT)] == before


def test_a_second_look_writes_the_same_records(made: Made) -> None:
    made.look()
    files = sorted((made.root / ".snakemake/metadata").iterdir())
    before = [file.stat() for file in files]
    made.look()
    assert [file.stat() for file in files] == before


def test_looks_at_what_is_known_write_the_same_ledger(made: Made) -> None:
    made.look()
    made.look()  # the files of records are read for the first time
    before = (made.root / LEDGER).read_text()
    made.look()
    assert (made.root / LEDGER).read_text() == before


def test_a_removed_file_leaves_the_records_of_its_stage(made: Made) -> None:
    made.look()
    (made.root / UNUSED).unlink()
    made.look()
    assert outputs(made, DATA) == [[ARCHIVE], [IMAGES, NAMES]]


def test_a_removed_file_of_records_is_written_again(made: Made) -> None:
    made.look()
    before = (made.root / REPORT).read_bytes()
    (made.root / REPORT).unlink()
    made.look()
    assert (made.root / REPORT).read_bytes() == before


def test_a_damaged_file_of_records_stops_the_look(made: Made) -> None:
    made.look()
    made.write(REPORT, "{")
    file = made.root / REPORT
    remedy = f"get it back with `dvc checkout --force {file}`, or remove it if its results were made here"
    assert complaint(made) == f"{file}: is no file of records; {remedy}"


def test_the_folders_of_a_stage_are_created_with_its_file(made: Made) -> None:
    made.look()
    assert (made.root / home("demo") / "figures").is_dir()


def test_a_stage_without_files_leaves_nothing(made: Made) -> None:
    for path in (TABLE, OWN_TABLE):
        (made.root / path).unlink()
    made.look()
    assert not (made.root / home("demo") / "figures").exists()
    assert not (made.root / REPORT).exists()
    assert (made.root / DATA).is_file()


# What is forgotten


def test_settings_that_no_record_refers_to_are_forgotten(made: Made) -> None:
    for seed in (1, 2, 3):
        publish(made)
        made.look(seed=seed)
    assert Ledger(made.root).settings == {settings_key({"seed": seed}): {"seed": seed} for seed in (2, 3)}


def test_modules_are_kept_while_a_record_refers_to_them(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(made, params=[f"'{CODE}'"])
    monkeypatch.setattr(fingerprint, "closures", {CODE: {"clipn.train": "aa"}})
    made.look()
    monkeypatch.setattr(fingerprint, "closures", {OTHER_CODE: {"clipn.train": "bb"}})
    made.look()
    assert Ledger(made.root).modules == {CODE: {"clipn.train": "aa"}, OTHER_CODE: {"clipn.train": "bb"}}


def test_modules_that_no_record_refers_to_are_forgotten(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(made, params=[f"'{CODE}'"])
    monkeypatch.setattr(fingerprint, "closures", {CODE: {"clipn.train": "aa"}})
    made.look()
    monkeypatch.setattr(fingerprint, "closures", {OTHER_CODE: {"clipn.train": "bb"}})
    publish(made, params=[f"'{OTHER_CODE}'"])
    made.look()
    assert Ledger(made.root).modules == {OTHER_CODE: {"clipn.train": "bb"}}


def test_news_of_a_study_stay_news_while_another_is_looked_at(made: Made, tmp_path: Path) -> None:
    made.look("demo")
    elsewhere = Made(tmp_path / "elsewhere")
    shutil.copytree(made.root, elsewhere.root)
    elsewhere.clock = made.clock
    elsewhere.make(OWN_TABLE, "ood_table", IMAGES, params=["'--new'"])
    elsewhere.look("demo")
    shutil.copyfile(elsewhere.root / REPORT, made.root / REPORT)
    made.look("other")
    made.look("demo")
    assert made.records()[OWN_TABLE].parameters == ["'--new'"]


def test_files_of_another_study_are_not_read(made: Made, read: list[Path]) -> None:
    made.study("other")
    made.look("demo")
    assert not [path for path in read if path.is_relative_to(made.root / home("other") / "archives")]


def test_what_was_read_is_remembered_though_the_look_stops(made: Made, read: list[Path]) -> None:
    made.write(OWN_TABLE, "edited")
    for _ in range(2):
        assert complaint(made)
    assert read.count(made.root / UNUSED) == 1
