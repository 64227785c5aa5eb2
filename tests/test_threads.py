"""Work in a given number of threads, a given number of items ahead; the rest is tested with manifests."""

import threading
from itertools import count

from clipn.threads import in_threads


def test_threads_and_items_ahead_can_be_chosen() -> None:
    taken, names = count(), set()

    def work(item: int) -> int:
        names.add(threading.current_thread().name)
        return item

    results = in_threads(work, taken, threads=1, ahead=10)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert next(taken) == 3 + 10
    assert len(names) == 1
