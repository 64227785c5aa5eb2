"""A training that is killed or told to stop ends in the same bytes as one that is not."""

import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import clipn
from clipn.cli.main import main
from clipn.errors import ClipnError
from clipn.model.checkpoint import FORMAT
from clipn.model.clipn import CLIPN
from clipn.model.tensors import read_safetensors
from clipn.training.distributed import ProcessGroup
from clipn.training.gradient import backward
from clipn.training.resume import Interrupted
from clipn.training.trainer import Trainer
from tests.helpers.tiny_run import TinyRun, forked, read_log, tiny_run

EPOCHS = 6
STEPS = 3 * EPOCHS


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return tiny_run(tmp_path)


def stopping_at(step: int, number: int) -> Callable[..., dict[str, float]]:
    """`Trainer.advance` that sends this process a signal just before `step`."""
    advance = Trainer.advance

    def deadly(trainer: Trainer, *arguments: Any) -> dict[str, float]:
        if trainer.done == step:
            os.kill(os.getpid(), number)
        return advance(trainer, *arguments)

    return deadly


def signalled(run: TinyRun, step: int, number: int, **settings: Any) -> None:
    """Train, and send this process a signal just before `step`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", stopping_at(step, number))
        run.train("run", epochs=EPOCHS, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"augmentation": "online"},
        {"precision": "fp16"},
        {"share": 0.5, "batch_size": 4, "augmentation": "online"},
        {"losses": "tso", "tokens": 4, "temperature": "learnable", "precision": "fp16"},
    ],
)
def test_killed_five_times(run: TinyRun, settings: dict[str, Any]) -> None:
    undisturbed = [path.read_bytes() for path in run.train("undisturbed", epochs=EPOCHS, **settings)]
    steps = sorted(random.Random(5).sample(range(STEPS), 5))
    for step in steps:
        assert forked(lambda at: signalled(run, at, signal.SIGKILL, **settings), (step,)) == [-signal.SIGKILL]
    resumed = [path.read_bytes() for path in run.train("run", epochs=EPOCHS, **settings)]
    assert resumed == undisturbed
    assert list(run.work.iterdir()) == []


def test_killed_while_the_state_is_written(run: TinyRun) -> None:
    undisturbed = [path.read_bytes() for path in run.train("undisturbed", epochs=EPOCHS)]

    def train_until_second_state() -> None:
        replace, states = Path.replace, []

        def deadly(path: Path, target: Path) -> Path:
            states.extend([target] if target.name == "last.safetensors" else [])
            if len(states) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return replace(path, target)

        Path.replace = deadly  # type: ignore[assignment, method-assign]
        run.train("run", epochs=EPOCHS)

    assert forked(train_until_second_state, ()) == [-signal.SIGKILL]
    (state,) = run.work.rglob("last.safetensors")
    assert read_safetensors(state, FORMAT)[1]["step"] == "3"
    assert [path.read_bytes() for path in run.train("run", epochs=EPOCHS)] == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_after_the_step_and_goes_on_from_there(run: TinyRun, number: int) -> None:
    undisturbed = [path.read_bytes() for path in run.train("undisturbed", epochs=EPOCHS)]
    with pytest.raises(Interrupted, match=r"stopped after step 7; the same command goes on from .*last\.safetensors"):
        signalled(run, 7, number)
    (state,) = run.work.rglob("last.safetensors")
    assert read_safetensors(state, FORMAT)[1]["step"] == "8"
    assert not (run.folder / "run.safetensors").exists()
    assert [path.read_bytes() for path in run.train("run", epochs=EPOCHS)] == undisturbed


def test_the_command_line_ends_with_the_status_of_a_stop(
    run: TinyRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["clipn", *run.options("run")])
    monkeypatch.setattr(Trainer, "advance", stopping_at(2, signal.SIGTERM))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 143
    assert "error: stopped after step 2; the same command goes on from" in capsys.readouterr().err


def test_signals_are_as_before_after_a_training(run: TinyRun) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run.train("run", epochs=1)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_the_state_is_a_checkpoint_that_can_be_used(run: TinyRun) -> None:
    with pytest.raises(Interrupted):
        signalled(run, 10, signal.SIGTERM)
    (state,) = run.work.rglob("last.safetensors")
    model = clipn.load(state)
    assert model.encode_no_text(model.tokenizer(["a dog"])).shape == (1, 32)


def test_other_settings_inputs_or_seeds_do_not_take_the_state(run: TinyRun) -> None:
    with pytest.raises(Interrupted):
        signalled(run, 10, signal.SIGTERM)
    fresh = tiny_run(run.folder / "elsewhere")
    for changed in ({"seed": 2}, {"learning_rate": 1e-3}):
        settings = {"epochs": EPOCHS, **changed}
        assert run.train("run", **settings)[0].read_bytes() == fresh.train("run", **settings)[0].read_bytes()
    assert len(list(run.work.rglob("last.safetensors"))) == 1


def test_the_log_of_a_resumed_training_is_whole(run: TinyRun) -> None:
    with pytest.raises(Interrupted):
        signalled(run, 10, signal.SIGTERM)
    _, log = run.train("run", epochs=EPOCHS)
    assert [row["step"] for row in read_log(log)] == list(range(STEPS))


def test_processes_meet_after_all_have_read_the_state(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first one might finish, and remove it, before another has read it."""
    with pytest.raises(Interrupted):
        signalled(run, 10, signal.SIGTERM)
    happened: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: (happened.append(name), function(*arguments))[1]

    monkeypatch.setattr(Trainer, "restore", noted("restored", Trainer.restore))
    monkeypatch.setattr(ProcessGroup, "any", noted("met", ProcessGroup.any))
    run.train("run", epochs=EPOCHS)
    assert happened[:2] == ["restored", "met"]


def test_a_damaged_state_is_named(run: TinyRun) -> None:
    with pytest.raises(Interrupted):
        signalled(run, 10, signal.SIGTERM)
    (state,) = run.work.rglob("last.safetensors")
    state.write_bytes(state.read_bytes()[:-1000])
    with pytest.raises(ClipnError, match=r"last\.safetensors: not a whole safetensors file"):
        run.train("run", epochs=EPOCHS)


def test_divergence_names_the_state_of_the_epoch_before(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipn.training.clipn.learning_rate", lambda settings, step, steps: 1e-4 if step < 4 else 1e30)
    message = r"diverged at step (\d+) .*last good checkpoint: .*last\.safetensors; losses: .*history\.csv"
    with pytest.raises(ClipnError, match=message) as error:
        run.train("run", epochs=EPOCHS)
    assert newest_step(run) == 3
    (history,) = run.work.rglob("history.csv")
    assert f"at step {len(read_log(history))} " in str(error.value)


def newest_step(run: TinyRun) -> int:
    (state,) = run.work.rglob("last.safetensors")
    return int(read_safetensors(state, FORMAT)[1]["step"])


def nan_gradients_from(step: int) -> Callable[..., Tensor]:
    """`clipn.training.gradient.backward` whose gradients, not losses, are NaN from `step` on."""
    steps = count()

    def spoiled(model: CLIPN, *arguments: Any) -> Tensor:
        losses = backward(model, *arguments)
        if next(steps) >= step:
            for value in model.no.parameters():
                assert value.grad is not None
                value.grad.fill_(torch.nan)
        return losses

    return spoiled


@pytest.mark.parametrize("step", [5, STEPS - 1])
def test_weights_that_are_not_finite_are_not_kept(run: TinyRun, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Gradients of the last step of an epoch show in no loss of that epoch."""
    monkeypatch.setattr("clipn.training.trainer.backward", nan_gradients_from(step))
    with pytest.raises(ClipnError, match=rf"diverged before step {step + 1} \(no\..*last good checkpoint"):
        run.train("run", epochs=EPOCHS)
    assert newest_step(run) == step - 2
    assert not (run.folder / "run.safetensors").exists()


def test_a_stop_does_not_keep_weights_that_are_not_finite(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipn.training.trainer.backward", nan_gradients_from(7))
    with pytest.raises(ClipnError, match=r"diverged before step 8 \(no\..*last good checkpoint"):
        signalled(run, 7, signal.SIGTERM)
    assert newest_step(run) == 6


def test_fp16_that_never_finds_a_scale_is_stopped(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipn.training.trainer.backward", nan_gradients_from(0))
    with pytest.raises(ClipnError, match=r"diverged at step 16 \(gradients are not finite\)"):
        run.train("run", epochs=EPOCHS, precision="fp16")


def test_a_signal_to_the_whole_group_spares_the_decoding_workers(run: TinyRun) -> None:
    """Ctrl-C and most launchers signal every process of a group."""

    def train_in_a_group() -> None:
        os.setpgrp()
        patch = pytest.MonkeyPatch()
        patch.setattr(os, "kill", lambda pid, number: os.killpg(os.getpgrp(), number))
        patch.setattr(Trainer, "advance", stopping_at(7, signal.SIGTERM))
        with contextlib.suppress(Interrupted):
            run.train("run", epochs=EPOCHS, augmentation="online", workers=1)

    assert forked(train_in_a_group, ()) == [0]
    (state,) = run.work.rglob("last.safetensors")
    assert read_safetensors(state, FORMAT)[1]["step"] == "8"
