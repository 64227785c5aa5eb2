"""Items in batches: in order, as they are asked for."""

from itertools import count

import pytest

from clipn.iteration import batched


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
