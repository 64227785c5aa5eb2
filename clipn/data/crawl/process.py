"""img2dataset as a process in an environment of its own: logged, watched, and ended when we end."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from clipn.errors import ClipnError
from clipn.progress import progress

POLL_SECONDS = 1.0

STALL_SECONDS = 900.0
"""How long img2dataset may write nothing. It waits for ever for a worker that was killed, or an endless response."""

ENVIRONMENT = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
"""Keeps libraries of img2dataset from calling home."""


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Wait until nobody else crawls into `folder`; yields the lock's descriptor.

    A process that inherits the descriptor holds the lock too, even after this one was killed.
    """
    with (folder / "lock").open("w") as stream:
        if not _locked(stream):
            with progress(None, f"wait for another crawl in {folder}", "s") as meter:
                while not _locked(stream):
                    time.sleep(POLL_SECONDS)
                    meter.update(POLL_SECONDS)
        yield stream.fileno()


def run_img2dataset(command: Sequence[str], folder: Path, shards: int, log: Path, lock: int) -> None:
    """Run img2dataset until it ends, or until it has written nothing for `STALL_SECONDS`.

    Args:
        command: the executable and its options.
        folder: where it writes.
        shards: how many shards it shall write, for the progress.
        log: file that its output is appended to.
        lock: descriptor of `only_one`.

    Raises:
        ClipnError: it ended with another status than 0.
    """
    with log.open("ab") as output, _termination_raises():
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, pass_fds=[lock],
            env=os.environ | ENVIRONMENT, start_new_session=True,
        )  # fmt: skip
        try:
            _watch(process, folder, shards)
            # None after a stall: the shards then say what is missing, and that is fetched again.
            status = process.poll()
        finally:
            # The whole group, since its workers would outlive it. A shard that they leave unfinished has no statistics.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        # The last line of a traceback is the one that names the error.
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        raise ClipnError(f"{log}: img2dataset ended with status {status} ({last}); run again to go on")


def _locked(stream: IO[Any]) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _termination_raises() -> Iterator[None]:
    """SIGTERM unwinds the stack as Ctrl-C does, so that the child is ended."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(process: "subprocess.Popen[bytes]", folder: Path, shards: int) -> None:
    written, since = _written(folder), time.monotonic()
    with progress(shards, "crawl", "shards", done=written[0]) as meter:
        while process.poll() is None and time.monotonic() - since < STALL_SECONDS:
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
            if (now := _written(folder)) != written:
                written, since = now, time.monotonic()
                meter.update(written[0] - meter.n)


def _written(folder: Path) -> tuple[int, int]:
    """Shards that have their statistics, and bytes of all files."""
    files = list(folder.glob("*.*"))
    return sum(file.name.endswith("_stats.json") for file in files), sum(file.stat().st_size for file in files)
