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
from clipn.model.tensors import mapping_in, read_safetensors
from clipn.training.trainer import Trainer


class Interrupted(ClipnError):  # noqa: N818
    """Training was told to stop and kept its state."""

    status = 128 + signal.SIGTERM


class TrainingState:
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

    def resume(self, trainer: Trainer) -> None:
        """Bring a trainer to the state that was kept last, if there is one.

        Raises:
            ClipnError: the file is damaged.
        """
        if self.path.is_file():
            tensors, metadata = read_safetensors(self.path, FORMAT)
            trainer.restore(tensors, mapping_in(self.path, metadata, "progress"))
        trainer.group.any(False, trainer.device)  # all have read before one of them may go on and remove it

    @property
    def newest(self) -> str:
        """The newest checkpoint, for messages."""
        return str(self.path) if self.path.is_file() else "none yet"

    def keep_log(self, trainer: Trainer) -> Path:
        """Write the losses so far beside the state; returns the CSV."""
        path = self.path.with_name("history.csv")
        if trainer.group.rank == 0:
            trainer.log.write(path)
        return path

    def keep(self, trainer: Trainer) -> None:
        """Write the state of a training."""
        self.keep_log(trainer)
        if trainer.group.rank == 0:
            tensors, values = trainer.progress()
            header = {**self._header, "step": str(trainer.done), "progress": json.dumps(values)}
            save_checkpoint(self.path, {**trainer.tensors(), **tensors}, self._architecture, header)

    def finish(self, trainer: Trainer, output: Path, log: Path) -> None:
        """Write a finished training's checkpoint and log, and remove its state."""
        if trainer.group.rank == 0:
            trainer.log.write(log)
            header = {**self._header, "step": str(trainer.done)}
            save_checkpoint(output, trainer.tensors(), self._architecture, header)
            # Last of all, so that a training that is killed before this line still finds its state.
            shutil.rmtree(self.path.parent, ignore_errors=True)


class StopRequest:
    """Whether somebody asked this process to end."""

    made = False


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn SIGTERM and the first Ctrl-C into a request, which training obeys after the step under way."""
    request = StopRequest()

    def make_request(number: int, frame: FrameType | None) -> None:
        request.made = True
        # Who presses Ctrl-C twice does not want to wait for the step.
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.signal(number, make_request) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
