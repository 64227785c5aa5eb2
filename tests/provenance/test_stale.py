"""A record holds as long as every input is the one that its job read, be the files here or away."""

import json
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import pytest

from clipn.provenance.reconcile import changed_inputs, stale_outputs
from clipn.provenance.records import METADATA, STALE, JobRecord, read_records, write_record
from clipn.provenance.state.hash_cache import HashCache
from tests.helpers.records import ARCHIVE, DATA, REPORT, WORDS, Made, files_of, lines, record_file, sha256

CAPTIONS, RUN, SCORES, METRICS, TABLE, OTHER = "captions", "run", "scores", "metrics", "table", "other"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A table behind metrics and scores that are away, of a run that is here; and another file made from the scores."""
    made = Made(tmp_path)
    made.source(CAPTIONS, "red circle")
    made.make(RUN, "train_clipn", CAPTIONS)
    made.make(SCORES, "score_run", RUN)
    made.make(METRICS, "evaluate_run", SCORES)
    made.make(TABLE, "ood_table", METRICS)
    made.make(OTHER, "score_figure", SCORES)
    return made


def records(made: Made) -> dict[str, JobRecord]:
    """The records with the hashes of all files; then scores and metrics go away."""
    cache = HashCache(made.root)
    known = {path: replace(record, sha256=cache.sha256(path)) for path, record in read_records(made.root).items()}
    for path in (SCORES, METRICS):
        (made.root / path).unlink()
    return known


def stale(made: Made, known: dict[str, JobRecord], incomplete: AbstractSet[str] = frozenset()) -> set[str]:
    return stale_outputs(known, HashCache(made.root), incomplete)


def changed(made: Made, known: dict[str, JobRecord], path: str) -> dict[str, tuple[str, str | None]]:
    return changed_inputs(known[path], known, HashCache(made.root))


def test_what_fits_stays(made: Made) -> None:
    assert stale(made, records(made)) == set()


def test_a_file_that_was_made_from_another_one_is_stale(made: Made) -> None:
    known = records(made)
    made.write(CAPTIONS, "blue square")
    assert stale(made, known) == {RUN}
    assert changed(made, known, RUN) == {CAPTIONS: (sha256("red circle"), sha256("blue square"))}


def test_a_file_that_is_away_and_was_made_from_another_one_is_stale(made: Made) -> None:
    known = records(made)
    made.write(RUN, "trained again")
    assert stale(made, known) == {SCORES}


def test_another_input_counts_although_it_is_older_and_the_newer_one_is_the_same(made: Made) -> None:
    made.source("more", "more words")
    made.make("both", "join", CAPTIONS, "more")
    known = records(made)
    made.write(CAPTIONS, "blue square")
    made.date(CAPTIONS, 1)
    made.date("more", made.clock + 100)
    assert stale(made, known) == {RUN, "both"}
    assert changed(made, known, "both").keys() == {CAPTIONS}


def test_readers_of_a_file_that_is_away_and_was_rebuilt_are_stale(made: Made) -> None:
    known = records(made)
    known[SCORES] = replace(known[SCORES], sha256="scored with other settings")
    assert stale(made, known) == {METRICS, OTHER}
    assert changed(made, known, OTHER) == {SCORES: (sha256(SCORES), "scored with other settings")}


def test_readers_of_a_file_that_is_away_and_of_unknown_content_are_stale(made: Made) -> None:
    known = records(made)
    known[METRICS] = replace(known[METRICS], sha256=None)
    assert stale(made, known) == {TABLE}
    assert changed(made, known, TABLE) == {METRICS: (sha256(METRICS), None)}


def test_what_is_here_counts_and_not_what_its_record_says(made: Made) -> None:
    known = records(made)
    for known_sha256 in (None, "trained with other settings"):
        known[RUN] = replace(known[RUN], sha256=known_sha256)
        assert stale(made, known) == set()


def test_a_source_that_is_away_changes_nothing(made: Made) -> None:
    known = records(made)
    (made.root / CAPTIONS).unlink()
    assert stale(made, known) == set()


def test_an_input_of_which_nobody_knows_what_was_read_changes_nothing(made: Made) -> None:
    made.make(RUN, "train_clipn", CAPTIONS, input_checksums={})
    known = records(made)
    made.write(CAPTIONS, "blue square")
    assert stale(made, known) == set()


class TestIncomplete:
    """Files whose job has not ended."""

    def test_they_are_left_to_snakemake(self, made: Made) -> None:
        known = records(made)
        made.write(CAPTIONS, "blue square")
        assert stale(made, known, incomplete={RUN}) == set()

    def test_what_reads_them_follows_them_by_itself(self, made: Made) -> None:
        known = records(made)
        made.write(RUN, "half")
        assert stale(made, known, incomplete={RUN}) == set()

    def test_other_inputs_of_what_reads_them_count(self, made: Made) -> None:
        made.make("both", "join", CAPTIONS, RUN)
        known = records(made)
        made.write(RUN, "half")
        made.write(CAPTIONS, "blue square")
        assert stale(made, known, incomplete={RUN}) == {"both"}


def test_a_stale_record_is_another_job_for_snakemake_alone(tmp_path: Path) -> None:
    record = JobRecord({"rule": "score_run", "params": ["'--method mcm'"]}, sha256="11", stale=True)
    write_record(tmp_path, SCORES, record)
    assert read_records(tmp_path) == {SCORES: record}
    written = json.loads(record_file(tmp_path / METADATA, SCORES).read_text())
    assert written["params"] == [repr(STALE)]
    write_record(tmp_path, SCORES, replace(record, stale=False))
    assert json.loads(record_file(tmp_path / METADATA, SCORES).read_text())["params"] == ["'--method mcm'"]


@pytest.mark.parametrize("here", [True, False], ids=["here", "away"])
class TestCheck:
    """A file whose source is edited, though all that was made from it is as it was."""

    @pytest.fixture
    def study(self, tmp_path: Path, here: bool) -> Made:
        """A study before that, its archive here or away."""
        made = Made.demo(tmp_path / "study")
        made.make(ARCHIVE, "fetch_archive", WORDS, params=["'--cached'"])
        made.check()
        if not here:
            (made.root / ARCHIVE).unlink()
        return made

    @pytest.fixture
    def before(self, study: Made) -> dict[str, JobRecord]:
        """Its records."""
        return study.records()

    @pytest.fixture
    def edited(self, study: Made, before: dict[str, JobRecord]) -> Made:
        """The study with a stale record."""
        assert not before[ARCHIVE].stale
        study.write(WORDS, "edited")
        study.check(expected=files_of("demo"))
        return study

    def test_its_record_and_no_other_is_stale(self, edited: Made, before: dict[str, JobRecord]) -> None:
        assert edited.records() == before | {ARCHIVE: replace(before[ARCHIVE], stale=True)}

    def test_it_stays_stale_as_long_as_nothing_changes(self, edited: Made) -> None:
        edited.check(expected=files_of("demo"))
        assert edited.records()[ARCHIVE].stale

    def test_it_counts_again_when_its_source_is_put_back(self, edited: Made, before: dict[str, JobRecord]) -> None:
        edited.write(WORDS, "yes no")
        edited.check(expected=files_of("demo"))
        assert edited.records() == before

    def test_it_stays_stale_when_the_file_comes_back(self, edited: Made) -> None:
        edited.write(ARCHIVE, ARCHIVE)
        edited.check(expected=files_of("demo"))
        assert edited.records()[ARCHIVE].stale

    def test_it_travels_as_it_was(self, study: Made) -> None:
        files = [study.root / path for path in (DATA, REPORT)]
        known = [file.read_bytes() for file in files]
        study.write(WORDS, "edited")
        for _ in range(2):
            study.check(expected=files_of("demo"))
            assert study.records()[ARCHIVE].stale
        assert [file.read_bytes() for file in files] == known
        assert STALE.encode() not in b"".join(known)
        first = lines(files[0])[0]
        assert (first["outputs"], first["job"]["params"]) == ({ARCHIVE: sha256(ARCHIVE)}, ["'--cached'"])


def test_what_a_job_makes_from_another_source_is_not_stale(tmp_path: Path) -> None:
    made = Made.demo(tmp_path)
    made.check()
    made.write(WORDS, "edited")
    made.check()
    made.make(ARCHIVE, "fetch_archive", WORDS)
    made.check()
    assert not made.records()[ARCHIVE].stale
