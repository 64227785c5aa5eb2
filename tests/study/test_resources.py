"""What jobs take of the machine."""

import os

import pytest

from clipn.study.rules.resources import Amount, job_resources


@pytest.mark.parametrize(
    ("threads", "percent"), [(1, 13), (3, 38), (8, 100), (16, 100), (lambda wildcards: len(wildcards), 25)]
)
def test_threads_take_their_share_of_the_cores(monkeypatch: pytest.MonkeyPatch, threads: Amount, percent: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    found = job_resources(500, threads, gpus=1)
    assert callable(found["cpu_percent"])
    assert (found["mem_mb"], found["cpu_percent"]("ab"), found["gpu"]) == (500, percent, 1)


def test_a_share_that_is_given_holds_for_any_machine() -> None:
    assert job_resources(200, cpu_percent=10) == {"mem_mb": 200, "cpu_percent": 10, "gpu": 0}
