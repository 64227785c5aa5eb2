"""Limits of time that no server can put off: a socket's own start again with every byte."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TypeVar

import requests

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of `work`; raises TimeoutError when there is none in time."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    # An executor would wait for its thread at the end; a daemon that a server still holds ends with the process.
    Thread(target=run, daemon=True).start()
    return result.result(seconds)


class Meter:
    """Bytes of a body that came in the present window."""

    def __init__(self) -> None:
        self.received = 0
        self.is_slow = False


@contextmanager
def watched(response: requests.Response, rate: float, window: float) -> Iterator[Meter]:
    """Yield a meter to add what comes to; a body of less than `rate` bytes per second for `window` seconds is ended."""
    meter, ended = Meter(), Event()

    def watch() -> None:
        while not ended.wait(window):
            if meter.received < rate * window:
                meter.is_slow = True
                # The body may have come to its end at this very moment.
                with suppress(RuntimeError, ValueError, OSError):
                    response.raw.shutdown()
                return
            meter.received = 0

    Thread(target=watch, daemon=True).start()
    try:
        yield meter
    finally:
        ended.set()
