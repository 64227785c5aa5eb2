"""Contenders that take turns at the same work, each in a process of its own, so that a busy machine slows all alike."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

from clipn.compute import Arithmetic, set_environment

T = TypeVar("T")


class Turn(NamedTuple):
    """What a contender did: its seconds, and its results by name."""

    seconds: float
    results: Mapping[str, Any]


class Contender(NamedTuple):
    """Who takes part.

    Attributes:
        work: called in the contender's process at each of its turns; it says itself what counts as its seconds.
        arguments: of `work`.
        arithmetic: kernels that the process is held to; `fast` for all packages but our own.
    """

    work: Callable[..., Turn]
    arguments: tuple[Any, ...] = ()
    arithmetic: Arithmetic = "fast"


def contest(contenders: Mapping[str, Contender], turns: int) -> dict[str, Turn]:
    """Median seconds of every contender, and the results of its last turn."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    last: dict[str, Turn] = {}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(_process(who.arithmetic)) for name, who in contenders.items()}
        for _ in range(turns):
            for name, who in contenders.items():
                last[name] = processes[name].submit(who.work, *who.arguments).result()
                seconds[name].append(last[name].seconds)
    return {name: Turn(statistics.median(seconds[name]), turn.results) for name, turn in last.items()}


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a call, and what it returned."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


@contextmanager
def _process(arithmetic: Arithmetic) -> Iterator[Executor]:
    environment = dict(os.environ)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        set_environment(arithmetic)
        # Kernels are chosen by the environment in which the process starts, which is now.
        process.submit(os.getpid).result()
        os.environ.clear()
        os.environ.update(environment)
        yield process
