"""Streams of items, a few at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items in their order, taken when they are asked for; the last may be shorter.

    `itertools.batched` does the same from Python 3.12 on.
    """
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
