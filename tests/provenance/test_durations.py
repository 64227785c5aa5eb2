"""What steps took is read from the benchmarks of the jobs that made the files."""

from pathlib import Path

from clipn.provenance.durations import rule_seconds
from tests.helpers.records import write_record

COLUMNS = "s\th:m:s\tmax_rss\n"


def record(root: Path, output: str, rule: str, log: str, benchmark: str | None) -> None:
    write_record(root, output, rule=rule, log=[log])
    if benchmark is not None:
        file = (root / log).with_suffix(".tsv")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(benchmark)


def test_every_job_of_the_study_counts_once(tmp_path: Path) -> None:
    record(tmp_path, "model", "train", "logs/demo/train/1.log", f"{COLUMNS}61.5\t0:01:01\t-\n")
    record(tmp_path, "history", "train", "logs/demo/train/1.log", None)
    record(tmp_path, "other", "train", "logs/demo/train/2.log", f"{COLUMNS}8.25\t0:00:08\t300.1\n")
    record(tmp_path, "page", "report", "logs/demo/report.log", f"{COLUMNS}2.0\t0:00:02\t300.1\n")
    record(tmp_path, "foreign", "train", "logs/paper/train/1.log", f"{COLUMNS}9000\t2:30:00\t300.1\n")
    assert rule_seconds(tmp_path, "logs/demo") == {"train": [61.5, 8.25], "report": [2.0]}


def test_benchmarks_that_are_not_here_or_cut_count_for_nothing(tmp_path: Path) -> None:
    record(tmp_path, "pulled", "train", "logs/demo/train/1.log", None)
    record(tmp_path, "empty", "train", "logs/demo/train/2.log", "")
    record(tmp_path, "cut", "train", "logs/demo/train/3.log", f"{COLUMNS}6\x00")
    record(tmp_path, "short", "train", "logs/demo/train/4.log", "h:m:s\n1\n")
    assert rule_seconds(tmp_path, "logs/demo") == {}
