"""After the correction, no result is older than the inputs that it is known to be made from."""

import os
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import pytest

from clipn.provenance.hash_cache import HashCache
from clipn.provenance.records import read_records
from clipn.provenance.timestamps import correct_timestamps
from tests.helpers.records import Made

NOW = 2_000_000.0
"""Later than everything that was made."""
NONE: frozenset[str] = frozenset()


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


def correct(made: Made, incomplete: AbstractSet[str] = NONE, stale: AbstractSet[str] = NONE) -> None:
    records = {path: replace(record, stale=path in stale) for path, record in read_records(made.root).items()}
    correct_timestamps(records, HashCache(made.root), incomplete)


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


@pytest.mark.parametrize("date", [1, NOW])
def test_a_stale_result_keeps_its_date_and_so_does_the_time_that_its_job_took(made: Made, date: float) -> None:
    before = dates(made, "first", "logs/first.tsv", "second", "third")
    edit(made, "source", date)
    correct(made, stale={"first"})
    assert dates(made, "source", "first", "logs/first.tsv", "second", "third") == [date, *before]


def test_what_was_made_from_a_stale_result_becomes_as_new_as_it(made: Made) -> None:
    made.date("first", NOW)
    correct(made, stale={"first"})
    assert dates(made, "second", "third") == [NOW, NOW]


@pytest.mark.parametrize("date", [1, NOW])
def test_a_result_of_inputs_with_unknown_hashes_keeps_its_date(made: Made, date: float) -> None:
    made.make("first", "first", "source", input_checksums={})
    before = dates(made, "first")
    edit(made, "source", date)
    correct(made)
    assert dates(made, "first") == before


def test_one_input_with_an_unknown_hash_is_enough_for_a_result_to_keep_its_date(made: Made) -> None:
    made.source("more", "more words")
    made.make("both", "join", "source", input=["source", "more"])
    before = dates(made, "both")
    made.date("source", NOW)
    made.date("more", NOW)
    correct(made)
    assert dates(made, "both") == before


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


def test_dates_pass_through_a_result_that_is_away_and_the_time_that_its_job_took(made: Made) -> None:
    (made.root / "first").unlink()
    made.date("source", NOW)
    correct(made)
    assert dates(made, "logs/first.tsv", "second", "third") == [NOW, NOW, NOW]
    assert not (made.root / "first").exists()


def test_dates_pass_through_several_results_that_are_away(made: Made) -> None:
    for path in ("first", "second"):
        (made.root / path).unlink()
    made.date("source", NOW)
    correct(made)
    assert dates(made, "third") == [NOW]


def test_a_result_that_is_away_between_dates_in_order_changes_none(made: Made) -> None:
    (made.root / "first").unlink()
    before = dates(made, "source", "logs/first.tsv", "second", "third")
    correct(made)
    assert dates(made, "source", "logs/first.tsv", "second", "third") == before


def test_no_date_passes_to_a_result_if_it_is_unknown_what_it_read(made: Made) -> None:
    made.make("second", "second", "first", input_checksums={})
    (made.root / "first").unlink()
    before = dates(made, "second")
    made.date("source", NOW)
    correct(made)
    assert dates(made, "second") == before


def test_the_time_that_the_job_of_a_stale_result_took_keeps_its_date_while_the_result_is_away(made: Made) -> None:
    (made.root / "first").unlink()
    before = dates(made, "logs/first.tsv")
    edit(made, "source")
    correct(made, stale={"first"})
    assert dates(made, "logs/first.tsv") == before


def test_files_whose_job_has_not_ended_and_what_is_made_from_them_keep_their_dates(made: Made) -> None:
    made.date("source", NOW)
    before = dates(made, "first", "second")
    correct(made, incomplete={"first"})
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
    cache = HashCache(made.root)
    correct_timestamps(read_records(made.root), cache, frozenset())
    cache.hash_files(["source", "first", "second", "third"])
    assert dates(made, "first", "second", "third") == [NOW, NOW, NOW]
    assert sorted(path.name for path in read) == ["first", "second", "source", "third"]


def test_a_second_correction_changes_nothing(made: Made) -> None:
    made.date("source", NOW)
    made.date("second", 7)
    correct(made)
    before = dates(made, "source", "first", "logs/first.tsv", "second", "third")
    correct(made)
    assert dates(made, "source", "first", "logs/first.tsv", "second", "third") == before
