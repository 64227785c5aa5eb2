"""Several processes that share a batch compute what one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clipn.model.checkpoint import FORMAT
from clipn.model.tensors import read_safetensors
from clipn.training.distributed import ProcessGroup, process_group
from clipn.training.gradient import LOSSES
from clipn.training.settings import Variant
from tests.helpers.tiny_gradient import gradients
from tests.helpers.tiny_run import TinyRun, forked, read_log, tiny_run

STEPS = 21


def launched(target: Any, size: int) -> None:
    """Call `target()` in `size` processes that find each other as those of `torchrun` do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def child(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        target()

    assert forked(child, *((rank,) for rank in range(size))) == [0] * size


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_parts_are_even_and_make_up_the_whole(size: int) -> None:
    rows = torch.arange(6)
    parts = [ProcessGroup(rank, size).part(rows) for rank in range(size)]
    assert torch.equal(torch.cat(parts), rows)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("size", "micro_batch"), [(2, None), (4, None), (3, None), (2, 3)])
def test_losses_and_gradients_are_those_of_one_process(tmp_path: Path, size: int, micro_batch: int | None) -> None:
    def target() -> None:
        with process_group("cpu", size) as (group, _):
            found = gradients(Variant(micro_batch=micro_batch), group)
            torch.save(found, tmp_path / f"{group.rank}.pt")

    launched(target, size)
    expected = gradients(Variant())
    for rank in range(size):
        assert_close(torch.load(tmp_path / f"{rank}.pt"), expected)


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Within 1e-5 of the largest element of each tensor."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        bound = 1e-5 * float(tensor.abs().max()) + 1e-9
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=bound, msg=name)


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("size", "settings"), [(2, {}), (4, {}), (3, {"augmentation": "online"}), (2, {"no_texts": "handcrafted"})]
)
def test_twenty_steps_of_training(tmp_path: Path, size: int, settings: dict[str, Any]) -> None:
    run = tiny_run(tmp_path)
    settings = {"epochs": STEPS // 3, **settings}
    expected = run.train("one", **settings)
    launched(lambda: run.train("several", processes=size, **settings), size)
    compare(run, expected)


def compare(run: TinyRun, expected: tuple[Path, Path]) -> None:
    output, log = run.folder / "several.safetensors", run.folder / "several.csv"
    ours, theirs = ([[row[name] for name in LOSSES] for row in read_log(path)] for path in (log, expected[1]))
    assert len(ours) == STEPS
    # Sums of several processes round otherwise, and twenty steps multiply that. Held kernels round each product, too:
    # measured with them are 1.0e-4 of a loss and 4.4e-4 of a weight.
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=0, atol=2e-4)
    several, one = (read_safetensors(path, FORMAT)[0] for path in (output, expected[0]))
    for name, tensor in one.items():
        if not name.endswith("in_proj_bias"):  # a third of it has no true gradient, only rounding
            torch.testing.assert_close(several[name], tensor, rtol=0, atol=1e-3, msg=name)


@pytest.mark.workflow
def test_torchrun_starts_the_command_line(tmp_path: Path) -> None:
    run = tiny_run(tmp_path)
    expected = run.train("one", epochs=STEPS // 3)
    launcher = Path(sys.executable).with_name("torchrun")
    command = [launcher, "--standalone", "--nproc-per-node=2", "--no-python", "clipn", *run.options("several")]
    command += ["--epochs", STEPS // 3, "--processes", 2]
    path = f"{launcher.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(word) for word in command], check=False, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr
    compare(run, expected)
