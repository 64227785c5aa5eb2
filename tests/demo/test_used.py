"""The table of what the rules of a study used."""

from benchmarks.demo import table


def test_the_dearest_rule_comes_first_and_the_sum_last() -> None:
    jobs = {"fetch": [(0.54, 90), (0.5, 120)], "train_clipn": [(12.0, 700)], "shards": [(2.25, 300)]}
    assert [*table(jobs)] == [
        "| rule | jobs | CPU s | MiB |",
        "| --- | ---: | ---: | ---: |",
        "| `train_clipn` | 1 | 12.0 | 700 |",
        "| `shards` | 1 | 2.2 | 300 |",
        "| `fetch` | 2 | 1.0 | 120 |",
        "| all | 4 | 15.3 | 700 |",
    ]


def test_a_study_that_has_not_run() -> None:
    assert [*table({})][-1] == "| all | 0 | 0.0 | 0 |"
