"""How durations are said, and how the time left is estimated."""

import pytest

from snakemake_logger_plugin_clipn.times import Pace, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_as_a_person_says_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_without_measured_times_nothing_is_said() -> None:
    pace = Pace({"train": 3})
    pace.start("train")
    assert pace.left([("train", 50.0)], elapsed=50.0) == ""


def test_the_time_left_is_what_remains_over_what_ran_side_by_side() -> None:
    pace = Pace({"train": 4, "score": 2})
    pace.learn({"train": [500.0, 700.0], "score": [300.0]})
    pace.start("train")
    pace.start("train")
    # Two trainings of 600 s wait, two run for 100 s yet, and 600 s of scoring: 2000 s, two at a time.
    assert pace.left([("train", 500.0), ("train", 500.0)], elapsed=500.0) == "about 17 min left"
    assert pace.left([("train", 500.0), ("train", 500.0)], elapsed=1000.0) == "about 34 min left"


def test_one_long_step_is_not_divided() -> None:
    pace = Pace({"train": 1, "score": 1})
    pace.learn({"train": [9000.0], "score": [10.0]})
    pace.start("train")
    pace.start("score")
    pace.finish("score", 1000.0)
    assert pace.left([("train", 1000.0)], elapsed=1000.0) == "about 2 h 14 min left"


def test_steps_of_this_run_count_beside_earlier_ones() -> None:
    pace = Pace({"train": 2})
    pace.learn({"train": [100.0]})
    pace.start("train")
    pace.finish("train", 500.0)
    assert pace.left([], elapsed=500.0) == "about 5 min left"


def test_what_some_rules_will_take_is_a_lower_bound_if_others_are_unknown() -> None:
    pace = Pace({"train": 2, "report": 1})
    pace.learn({"train": [300.0]})
    pace.start("train")
    assert pace.left([("train", 100.0)], elapsed=100.0) == "at least 9 min left"
    pace.start("train")
    assert pace.left([("train", 290.0)], elapsed=290.0) == ""


def test_a_step_that_takes_longer_than_before_takes_no_less_than_nothing() -> None:
    pace = Pace({"train": 1})
    pace.learn({"train": [100.0]})
    pace.start("train")
    assert pace.left([("train", 400.0)], elapsed=400.0) == "under a minute left"
