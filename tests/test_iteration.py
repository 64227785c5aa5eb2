"""Items in batches and in threads: in order, as they are asked for; see also the tests of manifests."""

import threading
from itertools import count

import pytest

from clipn.iteration import batched, in_threads


@pytest.mark.parametrize(
    ("number", "expected"), [(0, []), (2, [[0, 1]]), (3, [[0, 1, 2]]), (7, [[0, 1, 2], [3, 4, 5], [6]])]
)
def test_batches_hold_all_items_in_order(number: int, expected: list[list[int]]) -> None:
    assert list(batched(range(number), 3)) == expected


def test_items_are_taken_batch_by_batch() -> None:
    items = count()
    batches = batched(items, 4)
    assert [next(batches), next(batches)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert next(items) == 8


def test_threads_and_items_ahead_can_be_chosen() -> None:
    taken, names = count(), set()

    def work(item: int) -> int:
        names.add(threading.current_thread().name)
        return item

    results = in_threads(work, taken, threads=1, ahead=10)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert next(taken) == 3 + 10
    assert len(names) == 1
