"""After the correction, no result is older than the inputs that it is known to be made from."""

import os
import re
import subprocess
import time
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.provenance.records import read_records
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.timestamps import correct_timestamps
from tests.helpers.project import ENVIRONMENT, warm_path
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


class TestFuture:
    """Files with dates that are still to come, as the clock was set back."""

    @pytest.fixture
    def tomorrow(self) -> float:
        return time.time() + 86_400

    def test_a_result_is_as_new_as_now(self, made: Made, tomorrow: float) -> None:
        began = time.time()
        made.date("third", tomorrow)
        correct(made)
        assert began - 1 < dates(made, "third")[0] <= time.time()

    def test_only_its_date_changes(self, made: Made, tomorrow: float, read: list[Path]) -> None:
        before = dates(made, "source", "first", "logs/first.tsv", "second")
        cache = HashCache(made.root)
        cache.hash_files(["source", "first", "second", "third"])
        made.date("third", tomorrow)
        cache.hash_files(["third"])
        correct_timestamps(read_records(made.root), cache, NONE)
        assert dates(made, "source", "first", "logs/first.tsv", "second") == before
        cache.hash_files(["third"])
        assert len(read) == 5

    def test_their_order_stays(self, made: Made, tomorrow: float) -> None:
        for days, path in enumerate(("first", "logs/first.tsv", "second", "third")):
            made.date(path, tomorrow + 86_400 * days)
        correct(made)
        first, benchmark, second, third = dates(made, "first", "logs/first.tsv", "second", "third")
        assert first < benchmark < second < third <= time.time()

    def test_what_is_newer_than_what_is_not_known_to_be_made_from_it_stays_newer(
        self, made: Made, tomorrow: float
    ) -> None:
        made.make("second", "second", "first", input_checksums={})
        made.date("first", tomorrow + 1)
        made.date("second", tomorrow)
        correct(made)
        first, second = dates(made, "first", "second")
        assert second < first <= time.time()

    def test_files_of_one_date_keep_one_date(self, made: Made, tomorrow: float) -> None:
        for path in ("first", "logs/first.tsv", "second", "third"):
            made.date(path, tomorrow)
        correct(made)
        assert len(set(dates(made, "first", "logs/first.tsv", "second", "third"))) == 1

    def test_what_follows_becomes_as_new(self, made: Made, tomorrow: float) -> None:
        made.date("first", tomorrow)
        correct(made)
        first, second, third = dates(made, "first", "second", "third")
        assert second == third == first <= time.time()

    def test_neither_stale_results_nor_those_of_killed_jobs_stay_there(self, made: Made, tomorrow: float) -> None:
        for path in ("first", "third"):
            made.date(path, tomorrow)
        correct(made, incomplete={"third"}, stale={"first"})
        assert max(dates(made, "first", "second", "third")) <= time.time()

    def test_a_source_is_named_and_nothing_takes_its_date(self, made: Made, tomorrow: float) -> None:
        made.date("source", tomorrow)
        before = dates(made, "source", "first", "second", "third")
        with pytest.raises(ClipnError, match=r"^source: dated .* in the future.*; `touch source`$"):
            correct(made)
        assert dates(made, "source", "first", "second", "third") == before

    def test_so_is_a_source_that_a_result_links_to(self, made: Made, tomorrow: float) -> None:
        made.write("elsewhere", "first")
        made.date("elsewhere", tomorrow)
        (made.root / "first").unlink()
        (made.root / "first").symlink_to("elsewhere")
        os.utime(made.root / "first", (NOW, NOW), follow_symlinks=False)
        with pytest.raises(ClipnError, match=r"^first: dated .* in the future"):
            correct(made)

    def test_a_link_between_results_names_nothing(self, made: Made, tomorrow: float) -> None:
        (made.root / "second").unlink()
        (made.root / "second").symlink_to("first")
        made.date("first", tomorrow)
        correct(made)
        assert max(dates(made, "first", "second", "third")) <= time.time()

    def test_the_clock_of_a_file_server_may_be_a_little_ahead(self, made: Made) -> None:
        made.date("source", time.time() + 20)
        correct(made)
        assert dates(made, "third") == dates(made, "source")

    @pytest.mark.workflow
    @pytest.mark.parametrize("corrected", [False, True])
    def test_a_job_that_reads_it_runs_only_after_the_correction(
        self, tmp_path: Path, tomorrow: float, corrected: bool
    ) -> None:
        made = Made(tmp_path)
        made.source("source", "words")
        made.write("Snakefile", COPIES)
        snakemake = ["snakemake", "--cores", "1", "last"]
        subprocess.run(snakemake, cwd=tmp_path, env=ENVIRONMENT | warm_path(), check=True, capture_output=True)
        made.date("first", tomorrow)
        (tmp_path / "last").unlink()
        if corrected:
            correct(made)
        done = subprocess.run(snakemake, cwd=tmp_path, env=ENVIRONMENT | warm_path(), capture_output=True, text=True)
        assert (done.returncode == 0) == corrected
        assert bool(re.search("Output last has older modification time .* than input first", done.stderr)) != corrected


COPIES = """
rule first:
    input: "source"
    output: "first"
    shell: "cp {input} {output}"

rule last:
    input: "first"
    output: "last"
    shell: "cp {input} {output}"
"""
