"""After the correction, dates say which results were made from their inputs as they are now."""

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from clipn.dates import correct_dates
from clipn.ledger import Ledger
from clipn.provenance import read_records
from tests.records import Made

NOW = 2_000_000.0
"""Later than everything that was made."""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A chain of three results, the first with a file of the time that its job took."""
    made = Made(tmp_path)
    made.source("source", "words")
    made.make("first", "first", "source")
    made.source("logs/first.tsv", "s\n1.0\n")
    made.make("second", "second", "first")
    made.make("third", "third", "second")
    return made


def correct(made: Made, begun: AbstractSet[str] = frozenset()) -> None:
    correct_dates(read_records(made.root), Ledger(made.root), begun)


def dates(made: Made, *paths: str) -> list[float]:
    return [(made.root / path).lstat().st_mtime for path in paths]


def edit(made: Made, path: str, date: float = NOW) -> None:
    made.write(path, "edited")
    made.date(path, date)


def test_dates_in_order_stay(made: Made) -> None:
    before = dates(made, "source", "first", "logs/first.tsv", "second", "third")
    correct(made)
    assert dates(made, "source", "first", "logs/first.tsv", "second", "third") == before


def test_results_as_old_as_their_inputs_stay(made: Made) -> None:
    for path in ("source", "first", "logs/first.tsv", "second", "third"):
        made.date(path, 5)
    correct(made)
    assert dates(made, "source", "first", "logs/first.tsv", "second", "third") == [5, 5, 5, 5, 5]


def test_a_newer_source_with_the_same_content_makes_all_after_it_as_new(made: Made) -> None:
    made.date("source", NOW)
    correct(made)
    assert dates(made, "source", "first", "logs/first.tsv", "second", "third") == [NOW, NOW, NOW, NOW, NOW]


def test_only_what_is_older_than_its_inputs_becomes_newer(made: Made) -> None:
    first, second = dates(made, "first", "second")
    made.date("second", first - 1)
    correct(made)
    assert dates(made, "first", "second") == [first, first]
    assert dates(made, "third") == [second + 10]


def test_the_latest_of_several_inputs_counts(made: Made) -> None:
    made.source("more", "more words")
    made.make("both", "join", "source", "more")
    made.date("more", NOW + 1)
    made.date("source", NOW)
    correct(made)
    assert dates(made, "both") == [NOW + 1]


def test_a_result_of_other_inputs_becomes_older_than_they_are(made: Made) -> None:
    edit(made, "source", date=1)
    correct(made)
    assert dates(made, "source", "first", "logs/first.tsv") == [1, 0, 0]


def test_what_was_made_from_such_a_result_keeps_its_date(made: Made) -> None:
    later = dates(made, "second", "third")
    edit(made, "source", date=1)
    correct(made)
    assert dates(made, "second", "third") == later


def test_a_result_is_older_than_the_oldest_input_if_any_is_another(made: Made) -> None:
    made.source("more", "more words")
    made.make("both", "join", "source", "more")
    edit(made, "more", date=1000)
    made.date("source", 2000)
    correct(made)
    assert dates(made, "both") == [999]


def test_a_result_that_is_older_already_keeps_its_date(made: Made) -> None:
    before = dates(made, "first")
    edit(made, "source")
    correct(made)
    assert dates(made, "source", "first") == [NOW, *before]


@pytest.mark.parametrize("date", [1, NOW])
def test_a_result_of_inputs_with_unknown_hashes_keeps_its_date(made: Made, date: float) -> None:
    made.make("first", "first", "source", input_checksums={})
    before = dates(made, "first")
    edit(made, "source", date)
    correct(made)
    assert dates(made, "first") == before


def test_a_known_other_input_counts_beside_an_unknown_one(made: Made) -> None:
    made.source("more", "more words")
    made.make("both", "join", "source", input=["source", "more"])
    edit(made, "source", date=1000)
    correct(made)
    assert dates(made, "both") == [999]


def test_inputs_that_are_not_here_do_not_count(made: Made) -> None:
    made.source("more", "more words")
    made.make("both", "join", "source", "more")
    (made.root / "more").unlink()
    made.date("source", NOW)
    correct(made)
    assert dates(made, "both") == [NOW]


def test_a_result_without_inputs_keeps_its_date(made: Made) -> None:
    (made.root / "source").unlink()
    before = dates(made, "first")
    correct(made)
    assert dates(made, "first") == before


def test_results_that_are_not_here_are_left_out(made: Made) -> None:
    (made.root / "first").unlink()
    made.date("source", NOW)
    later = dates(made, "second")
    correct(made)
    assert dates(made, "second") == later
    assert not (made.root / "first").exists()


def test_files_whose_job_has_not_ended_and_what_is_made_from_them_keep_their_dates(made: Made) -> None:
    made.date("source", NOW)
    before = dates(made, "first", "second")
    correct(made, begun={"first"})
    assert dates(made, "first", "second") == before


def test_only_the_benchmark_is_too_old(made: Made) -> None:
    (source,) = dates(made, "source")
    made.date("logs/first.tsv", 1)
    before = dates(made, "first")
    correct(made)
    assert dates(made, "logs/first.tsv", "first") == [source, *before]


def test_a_missing_benchmark_is_left_out(made: Made) -> None:
    (made.root / "logs/first.tsv").unlink()
    made.date("source", NOW)
    correct(made)
    assert dates(made, "first") == [NOW]
    assert not (made.root / "logs/first.tsv").exists()


def test_an_input_is_as_new_as_what_its_link_leads_to(made: Made) -> None:
    made.write("elsewhere", "words")
    made.date("elsewhere", NOW)
    (made.root / "source").unlink()
    (made.root / "source").symlink_to("elsewhere")
    os.utime(made.root / "source", (1, 1), follow_symlinks=False)
    correct(made)
    assert dates(made, "source", "first") == [1, NOW]


@pytest.mark.parametrize("content", ["words", "edited"])
@pytest.mark.parametrize("date", [1, NOW])
def test_sources_keep_their_dates(made: Made, content: str, date: float) -> None:
    made.write("source", content)
    made.date("source", date)
    correct(made)
    assert dates(made, "source") == [date]


def test_files_with_a_new_date_are_not_read_again(made: Made, read: list[Path]) -> None:
    made.date("source", NOW)
    ledger = Ledger(made.root)
    correct_dates(read_records(made.root), ledger, frozenset())
    ledger.read(["source", "first", "second", "third"])
    assert dates(made, "first", "second", "third") == [NOW, NOW, NOW]
    assert sorted(path.name for path in read) == ["first", "second", "source", "third"]


def test_a_second_correction_changes_nothing(made: Made) -> None:
    edit(made, "source", date=1)
    made.date("second", 7)
    correct(made)
    before = dates(made, "source", "first", "logs/first.tsv", "second", "third")
    correct(made)
    assert dates(made, "source", "first", "logs/first.tsv", "second", "third") == before
