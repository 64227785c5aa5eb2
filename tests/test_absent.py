"""A file may be away as long as its job would make the file that was read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clipn.absent import void_paths
from clipn.ledger import Ledger
from clipn.provenance import METADATA, VOID, JobRecord, read_records, write_record
from tests.records import Made, record_file

RUN, SCORES, METRICS, TABLE, OTHER = "run", "scores", "metrics", "table", "other"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A table behind metrics and scores that are not here, of a run that is; and another file made from the scores."""
    made = Made(tmp_path)
    made.source("captions", "red circle")
    made.make(RUN, "train_clipn", "captions")
    made.make(SCORES, "score_run", RUN)
    made.make(METRICS, "evaluate_run", SCORES)
    made.make(TABLE, "ood_table", METRICS)
    made.make(OTHER, "score_figure", SCORES)
    return made


def records(made: Made) -> dict[str, JobRecord]:
    """The records with the hashes of all files; then scores and metrics go away."""
    ledger = Ledger(made.root)
    known = {path: replace(record, sha256=ledger.sha256(path)) for path, record in read_records(made.root).items()}
    for path in (SCORES, METRICS):
        (made.root / path).unlink()
    return known


def void(made: Made, known: dict[str, JobRecord], *targets: str) -> set[str]:
    return void_paths(targets or [TABLE], known, Ledger(made.root))


def test_what_fits_stays(made: Made) -> None:
    assert void(made, records(made)) == set()


def test_a_file_that_was_made_from_another_one_is_void(made: Made) -> None:
    known = records(made)
    made.write(RUN, "trained anew")
    assert void(made, known) == {SCORES}


def test_a_file_that_is_not_the_one_that_was_read_is_void(made: Made) -> None:
    known = records(made)
    known[METRICS] = replace(known[METRICS], sha256="evaluated with other settings")
    assert void(made, known) == {METRICS}


def test_a_file_between_two_that_are_not_here_is_void_too(made: Made) -> None:
    known = records(made)
    known[SCORES] = replace(known[SCORES], sha256="scored with other settings")
    assert void(made, known) == {SCORES, METRICS}


def test_nothing_that_no_result_needs_is_void(made: Made) -> None:
    known = records(made)
    made.write(RUN, "trained anew")
    (made.root / TABLE).unlink()
    assert void(made, known) == set()


def test_only_readers_before_the_results_count(made: Made) -> None:
    known = records(made)
    known[OTHER] = known[OTHER].with_hashes({SCORES: "of long ago"})
    assert void(made, known) == set()
    assert void(made, known, TABLE, OTHER) == {SCORES}


def test_a_void_record_is_another_job_for_snakemake_alone(tmp_path: Path) -> None:
    record = JobRecord({"rule": "score_run", "params": ["'--method mcm'"]}, sha256="11", void=True)
    write_record(tmp_path, SCORES, record)
    assert read_records(tmp_path) == {SCORES: record}
    written = json.loads(record_file(tmp_path / METADATA, SCORES).read_text())
    assert written["params"] == [repr(VOID)]
    write_record(tmp_path, SCORES, replace(record, void=False))
    assert json.loads(record_file(tmp_path / METADATA, SCORES).read_text())["params"] == ["'--method mcm'"]
