"""Streams of items: in batches, or worked on by threads; neither takes all items into memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
WAITING = 4
"""Items per thread that are in memory at once, if nothing else is asked for."""


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items in their order, taken when they are asked for; the last may be shorter.

    `itertools.batched` does the same from Python 3.12 on.
    """
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch


def in_threads(
    function: Callable[[T], R], items: Iterable[T], threads: int | None = None, ahead: int | None = None
) -> Iterator[R]:
    """Results in the order of `items`, which are taken only a few ahead; raises what `function` raises.

    For what releases the interpreter's lock, such as decoding and hashing.

    Args:
        function: called in the threads.
        items: its arguments.
        threads: how many; None: one per core.
        ahead: items that are taken before the first result is asked for; None: `WAITING` per thread.
    """
    threads = threads or len(os.sched_getaffinity(0))
    ahead = ahead or WAITING * threads
    with ThreadPoolExecutor(threads) as pool:
        # `pool.map` would take all items at once, and with them all images of a dataset into memory.
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
