"""What an interrupted training needs to go on, kept in one file outside of all declared outputs."""

import hashlib
import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from clipn.errors import ClipnError
from clipn.model.checkpoint import FORMAT, save_checkpoint
from clipn.model.tensors import read_safetensors
from clipn.training.trainer import Training


class Interrupted(ClipnError):  # noqa: N818
    """Training was told to stop and kept its state."""

    status = 128 + signal.SIGTERM


class State:
    """The newest checkpoint of a training under way, with all that it needs to go on.

    It is an ordinary checkpoint, so `clipn.load` reads it too. It lies in a folder named by the hash of all that
    decides the outcome, so that a training with other settings or inputs does not take it for its own. Of several
    processes the first one writes.

    Args:
        work: folder of all trainings under way.
        header: of the checkpoints: names, settings and hashes of inputs.
        made_by: code, versions and device; with `header` they decide the outcome.
        architecture: open_clip's configuration of the towers.
    """

    def __init__(
        self, work: Path, header: Mapping[str, str], made_by: Mapping[str, str], architecture: dict[str, Any]
    ) -> None:
        text = json.dumps({**header, **made_by}, sort_keys=True)
        self._header = header
        self._architecture = architecture
        self.path = work / hashlib.sha256(text.encode()).hexdigest()[:16] / "last.safetensors"

    def resume(self, training: Training) -> None:
        """Bring a training to where it was kept last, if it ever was.

        Raises:
            ClipnError: the file is damaged.
        """
        if self.path.is_file():
            tensors, metadata = read_safetensors(self.path, FORMAT)
            training.restore(tensors, json.loads(metadata["progress"]))
        training.processes.any(False, training.device)  # all have read before one of them may go on and remove it

    @property
    def newest(self) -> str:
        """The newest checkpoint, for messages."""
        return str(self.path) if self.path.is_file() else "none yet"

    def keep_log(self, training: Training) -> Path:
        """Write the losses so far beside the state; returns the CSV."""
        path = self.path.with_name("history.csv")
        if training.processes.rank == 0:
            training.log.write(path)
        return path

    def keep(self, training: Training) -> None:
        """Remember where a training is."""
        self.keep_log(training)
        if training.processes.rank == 0:
            tensors, values = training.progress()
            header = {**self._header, "step": str(training.done), "progress": json.dumps(values)}
            save_checkpoint(self.path, {**training.tensors(), **tensors}, self._architecture, header)

    def finish(self, training: Training, output: Path, log: Path) -> None:
        """Write a finished training's checkpoint and log, and forget its state."""
        if training.processes.rank == 0:
            training.log.write(log)
            header = {**self._header, "step": str(training.done)}
            save_checkpoint(output, training.tensors(), self._architecture, header)
            shutil.rmtree(self.path.parent, ignore_errors=True)


class StopRequest:
    """Whether somebody asked this process to end."""

    made = False


@contextmanager
def noticing_stop() -> Iterator[StopRequest]:
    """Turn SIGTERM and the first Ctrl-C into a request that is met after the step under way."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        request.made = True
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
