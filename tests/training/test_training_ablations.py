"""The settings of the paper's ablations: which losses train, at how many positions, on how many samples."""

import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import open_clip
import pytest
import torch

import clipn
from benchmarks import plain
from clipn.cli.main import main
from clipn.errors import ClipnError
from clipn.model.checkpoint import FORMAT
from clipn.model.clipn import NoTextTower
from clipn.model.tensors import read_safetensors
from clipn.training.gradient import LOSSES
from clipn.training.sampler import Sampler
from clipn.training.settings import Variant
from tests.helpers.tiny_gradient import gradients, turned_model
from tests.helpers.tiny_model import unit
from tests.helpers.tiny_run import CAPTIONS, TinyRun, read_log, tiny_run
from tests.training.test_distributed import STEPS, compare, launched


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return tiny_run(tmp_path)


@pytest.mark.parametrize(("losses", "parts"), [("both", LOSSES[:3]), ("itbo", LOSSES[:2]), ("tso", LOSSES[2:3])])
def test_the_named_losses_train_and_all_are_logged(run: TinyRun, losses: str, parts: list[str]) -> None:
    _, log = run.train("run", epochs=20, loss_weight=0.25, losses=losses)
    steps = read_log(log)
    for row in steps:
        assert row["total"] == pytest.approx(0.25 * sum(row[name] for name in parts), abs=2e-6)
    assert [steps[0][name] for name in LOSSES[:3]] == pytest.approx([np.log(2), np.log(2), 1.99], abs=1e-4)
    assert steps[-1]["total"] < 0.95 * steps[0]["total"]


@pytest.mark.parametrize(("losses", "parts"), [("itbo", [0, 1]), ("tso", [2])])
def test_the_gradient_is_that_of_the_named_losses(losses: Literal["itbo", "tso"], parts: list[int]) -> None:
    ours, both = (gradients(Variant(losses=name)) for name in (losses, "both"))
    model = turned_model()
    tokens = model.tokenizer(CAPTIONS[:8])
    no = plain.no_features(model.no, tokens, torch.arange(8) % 5)
    plain_losses = plain.losses(unit(8), plain.yes_features(model.clip, tokens), no, model.logit_scale)
    (0.5 * plain_losses[parts].sum()).backward()
    assert torch.equal(ours["losses"][:3], both["losses"][:3])
    for name, value in model.no.named_parameters():
        assert value.grad is not None
        bound = 1e-5 * float(value.grad.abs().max()) + 1e-8
        torch.testing.assert_close(ours[name], value.grad, rtol=0, atol=bound, msg=name)


def test_a_temperature_that_no_loss_asks_for_stays(run: TinyRun) -> None:
    output, _ = run.train("run", losses="tso", temperature="learnable", learning_rate=1e-2)
    assert clipn.load(output).logit_scale == pytest.approx(1 / 0.07, rel=1e-6)


class FrozenBeyond(NoTextTower):
    """A tower with a whole bank of which a few positions are trained; all others stay zero."""

    def __init__(self, clip: open_clip.CLIP, prompts: int, tokens: int | None = None) -> None:
        super().__init__(clip, prompts)
        assert tokens is not None
        assert self.prompts is not None
        self.prompts.register_hook(lambda gradient: gradient * (torch.arange(77) < tokens)[:, None])


def test_a_bank_of_few_positions_is_a_whole_one_frozen_beyond(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, also where AdamW's weight decay reaches."""
    few, log = run.train("few", tokens=4)
    monkeypatch.setattr("clipn.model.clipn.NoTextTower", FrozenBeyond)
    whole, whole_log = run.train("whole", tokens=4)
    assert log.read_bytes() == whole_log.read_bytes()
    ours, theirs = (read_safetensors(path, FORMAT)[0] for path in (few, whole))
    bank = theirs.pop("no.prompts")
    assert torch.equal(ours.pop("no.prompts"), bank[:, :4])
    assert bank[:, :4].abs().min(dim=1).values.sum() > 0
    assert not bank[:, 4:].any()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_more_positions_than_the_backbone_reads_are_refused(run: TinyRun) -> None:
    with pytest.raises(ClipnError, match=r"^tokens: 78 is more than the 77 positions"):
        run.train("run", tokens=78)


@pytest.mark.parametrize("settings", [{}, {"augmentation": "online"}, {"no_texts": "handcrafted"}])
def test_a_share_trains_as_if_there_were_no_others(run: TinyRun, tmp_path: Path, settings: dict[str, Any]) -> None:
    """Neither images nor features of the other samples matter, and an epoch has fewer steps."""
    output, log = run.train("run", share=0.5, batch_size=4, **settings)
    assert [row["epoch"] for row in read_log(log)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    taken = set(Sampler(len(CAPTIONS), 4, 1, seed=1, fraction=0.5).subset.tolist())
    pictures = [row if row in taken else 100 + row for row in range(len(CAPTIONS))]
    spoiled = tiny_run(tmp_path / "spoiled", pictures=pictures)
    again, again_log = spoiled.train("run", share=0.5, batch_size=4, **settings)
    assert log.read_bytes() == again_log.read_bytes()
    ours, theirs = (read_safetensors(path, FORMAT)[0] for path in (output, again))
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.workflow
@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_split_the_batches_of_a_share(tmp_path: Path, size: int) -> None:
    run = tiny_run(tmp_path)
    settings = {"epochs": STEPS // 3, "share": 0.5, "batch_size": 3}
    expected = run.train("one", **settings)
    launched(lambda: run.train("several", processes=size, **settings), size)
    compare(run, expected)


def test_processes_cannot_share_a_batch_that_the_share_left_too_small(run: TinyRun) -> None:
    with pytest.raises(ClipnError, match="processes: 4 cannot share batches of 2 samples"):
        run.train("run", share=0.1, processes=4)


def test_the_ablations_are_options(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"losses": "itbo", "tokens": 4, "share": 0.5}
    expected = [path.read_bytes() for path in run.train("run", **settings)]
    words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    monkeypatch.setattr(sys, "argv", ["clipn", *run.options("run"), *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert [(run.folder / f"run.{suffix}").read_bytes() for suffix in ("safetensors", "csv")] == expected
