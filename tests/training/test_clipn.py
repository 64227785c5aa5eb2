"""Training: the authors' six steps, the plain loop, the same bytes for the same seed, faults on the way."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import clipn
from benchmarks import plain
from clipn.data.shards import ShardImages
from clipn.errors import ClipnError
from clipn.features.captions import read_caption_features, read_caption_images
from clipn.losses import itbo, tso
from clipn.model.backbone import load_backbone, preprocess, save_backbone
from clipn.model.checkpoint import FORMAT
from clipn.model.clipn import CLIPN, NoTextTower
from clipn.model.tensors import read_safetensors
from clipn.training.distributed import ProcessGroup
from clipn.training.gradient import LOSSES, Batch
from clipn.training.optimizer import adamw, learning_rate, set_learning_rate
from clipn.training.sampler import PROMPT, Sampler
from clipn.training.settings import Variant
from clipn.training.trainer import Trainer
from tests.helpers.golden_model import golden_figures, golden_model, released_name
from tests.helpers.tiny_gradient import gradients, turned_model
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model, unit
from tests.helpers.tiny_run import CAPTIONS, SETTINGS, TinyRun, read_log, tiny_run

STEPS = 6


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return tiny_run(tmp_path)


def test_the_authors_six_steps(golden: Path) -> None:
    """Two DDP processes halve the gradient, which matters through AdamW's epsilon alone; so does this test."""
    arrays: Any = golden_figures(golden)[1]
    model = golden_model(golden)
    image, yes = (torch.from_numpy(arrays[f"{name}_features"]) for name in ("image", "yes"))
    tokens = torch.from_numpy(arrays["train_tokens"]).long()
    settings = Variant()
    optimizer = adamw(model.no.named_parameters(), settings)
    log = []
    for step in range(STEPS):
        rate = learning_rate(settings, step, STEPS)
        set_learning_rate(optimizer, rate)
        no = model.no(tokens, torch.from_numpy(arrays["prompt_choice"][step]).long())
        losses = (*itbo(image, yes, no, model.logit_scale), tso(yes, no, settings.tso_epsilon))
        total = settings.loss_weight * torch.stack(losses).sum()
        optimizer.zero_grad()
        (total / 2).backward()
        optimizer.step()
        log.append([*(loss.item() for loss in losses), total.item(), rate])
    np.testing.assert_allclose(log, arrays["train_log"], rtol=2e-6)

    after = {released_name(f"no.{name}"): tensor.detach().numpy() for name, tensor in model.no.named_parameters()}
    kept = [key.removeprefix("after/") for key in arrays.files if key.startswith("after/")]
    assert len(kept) >= len(after) - 1
    for name in kept:
        ours, theirs = after[name], arrays[f"after/{name}"]
        if name.endswith("in_proj_bias"):
            # attention ignores the bias of keys: its gradient is rounding alone, which AdamW makes steps of
            assert np.abs(ours - theirs).max() < 5e-5
            ours, theirs = (np.delete(bias, np.split(np.arange(len(bias)), 3)[1]) for bias in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6, err_msg=name)


def test_same_seed_same_bytes_other_seed_others(run: TinyRun) -> None:
    first, again, other = (run.train(name, seed) for name, seed in (("first", 1), ("again", 1), ("other", 2)))
    for file in range(2):
        assert first[file].read_bytes() == again[file].read_bytes()
        assert first[file].read_bytes() != other[file].read_bytes()


def test_global_random_state_changes_nothing(run: TinyRun) -> None:
    first = run.train("first", augmentation="online")[0].read_bytes()
    torch.manual_seed(4321)
    assert run.train("again", augmentation="online")[0].read_bytes() == first


def test_the_plain_loop_takes_the_same_steps(run: TinyRun) -> None:
    """Full texts, all towers, torch's own AdamW, against caches, cut texts and the token table's rows in use.

    AdamW's first steps have the size of the learning rate even where a gradient is rounding alone, so it is small.
    """
    settings = Variant(**SETTINGS, learning_rate=1e-5)
    output, log = run.train("ours", learning_rate=1e-5)
    clip, architecture = load_backbone(run.files.backbone)
    tower = CLIPN(clip, preprocess(architecture), settings.prompts).no
    sampler = Sampler(len(CAPTIONS), settings.batch_size, settings.epochs, seed=1)
    tokenizer, images = tiny_model().tokenizer, stored_pixels(run)

    def batches() -> Any:
        for step in range(sampler.steps):
            rows = sampler.rows(step)
            choice = sampler.draw(step, PROMPT, settings.prompts + 1)
            yield images[rows], tokenizer([CAPTIONS[row] for row in rows]), choice, learning_rate(settings, step, 9)

    expected = torch.stack(list(plain.steps(clip, tower, batches(), settings.weight_decay)))
    losses = [[row[name] for name in LOSSES] for row in read_log(log)]
    torch.testing.assert_close(torch.tensor(losses), expected, rtol=0, atol=1e-5)
    trained, _ = read_safetensors(output, FORMAT)
    for name, value in tower.state_dict().items():
        if not name.endswith("in_proj_bias"):  # a third of it has no true gradient, only rounding
            torch.testing.assert_close(trained[f"no.{name}"], value, rtol=0, atol=5e-6, msg=name)


def stored_pixels(run: TinyRun) -> Tensor:
    """All images under the evaluation transform, in the index's order."""
    transform = preprocess(ARCHITECTURE)
    images = ShardImages(run.files.index, run.files.shards)
    return torch.stack([transform(images[row].open()) for row in range(len(images))])


def test_untrained_is_a_copy(run: TinyRun) -> None:
    run = replace(run, files=replace(run.files, captions=None, images=None, shards=()))
    output, log = run.train("untrained", epochs=0)
    tensors, _ = read_safetensors(output, FORMAT)
    copies = [name for name in tensors if name.startswith("no.") and name != "no.prompts"]
    assert len(copies) > 10
    assert all(torch.equal(tensors[name], tensors[name.replace("no.", "clip.", 1)]) for name in copies)
    assert torch.equal(tensors["no.prompts"], torch.zeros(3, 77, 32))
    assert read_log(log) == []


def test_only_the_no_tower_changes(run: TinyRun) -> None:
    output, _ = run.train("run")
    backbone = load_backbone(run.files.backbone)[0].state_dict()
    tensors, metadata = read_safetensors(output, FORMAT)
    assert all(torch.equal(tensors[f"clip.{name}"], tensor) for name, tensor in backbone.items())
    assert not torch.equal(tensors["no.text_projection"], backbone["text_projection"])
    assert tensors["no.prompts"].abs().sum() > 0
    assert not any(name.startswith("training.") for name in tensors)
    assert (metadata["run"], metadata["seed"], metadata["step"]) == ("tiny/learnable", "1", "9")
    assert Variant.model_validate_json(metadata["settings"]).prompts == 3
    assert len(metadata["backbone_sha256"]) == len(metadata["index_sha256"]) == len(metadata["captions_sha256"]) == 64
    assert not run.work.exists() or list(run.work.iterdir()) == []


def test_log_of_a_training_that_learns(run: TinyRun) -> None:
    output, log = run.train("run", epochs=30, learning_rate=1e-2, weight_decay=0, loss_weight=1)
    steps = read_log(log)
    assert [row["step"] for row in steps] == list(range(90))
    assert [row["epoch"] for row in steps[:4]] == [0, 0, 0, 1]
    for row in steps:
        assert row["total"] == pytest.approx(sum(row[name] for name in LOSSES[:3]), abs=3e-6)
    assert [steps[0][name] for name in LOSSES[:3]] == pytest.approx([np.log(2), np.log(2), 1.99], abs=1e-4)
    assert steps[-1]["total"] < 0.8 * steps[0]["total"]
    assert steps[-1]["learning_rate"] < 1e-4 < steps[0]["learning_rate"]
    model = clipn.load(output)
    tokens = model.tokenizer(CAPTIONS)
    assert tso(model.encode_text(tokens), model.encode_no_text(tokens)) < 1.5


def test_prompts_are_drawn_alike_and_their_mean_among_them(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: Counter[int] = Counter()
    forward = NoTextTower.forward

    def noted(tower: NoTextTower, tokens: Tensor, choice: Tensor) -> Tensor:
        drawn.update(choice.tolist())
        return forward(tower, tokens, choice)

    monkeypatch.setattr(NoTextTower, "forward", noted)
    run.train("run", epochs=10)
    assert drawn.total() == 10 * len(CAPTIONS)
    assert sorted(drawn) == [0, 1, 2, 3]
    assert min(drawn.values()) > 20


def test_weight_and_epsilon_are_those_of_the_variant(run: TinyRun) -> None:
    _, log = run.train("run", epochs=1, loss_weight=0.25, tso_epsilon=0)
    first = read_log(log)[0]
    assert first["tso"] == pytest.approx(2, abs=1e-5)
    assert first["total"] == pytest.approx(0.25 * (2 * np.log(2) + 2), abs=1e-5)


# Ways to compute the same


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_loss_stays_global_whatever_the_size_of_a_pass(size: int) -> None:
    whole, parts = (gradients(Variant(micro_batch=micro)) for micro in (None, size))
    torch.testing.assert_close(parts.pop("losses"), whole.pop("losses"), rtol=1e-6, atol=0)
    for name, gradient in whole.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(parts[name], gradient, rtol=0, atol=1e-5 * scale + 1e-9, msg=name)


def test_gradients_are_those_of_the_plain_loss() -> None:
    ours = gradients(Variant())
    model = turned_model()
    tokens = model.tokenizer(CAPTIONS[:8])
    no = plain.no_features(model.no, tokens, torch.arange(8) % 5)
    losses = plain.losses(unit(8), plain.yes_features(model.clip, tokens), no, model.logit_scale)
    losses[3].backward()
    torch.testing.assert_close(ours.pop("losses"), losses.detach(), rtol=0, atol=1e-6)
    for name, value in model.no.named_parameters():
        assert value.grad is not None
        torch.testing.assert_close(ours.pop(name), value.grad, rtol=0, atol=1e-5 * float(value.grad.abs().max()) + 1e-8)
    assert ours == {}


def test_rows_of_the_token_table_that_no_caption_holds_only_decay(run: TinyRun) -> None:
    """Bit for bit what AdamW does to the whole table."""
    settings = Variant(**SETTINGS)
    output, _ = run.train("rows")
    stored = read_caption_features(run.files.captions, run.files.backbone, run.files.index)
    images = read_caption_images(run.files.images, run.files.backbone, run.files.index, views=0)[0]
    clip, architecture = load_backbone(run.files.backbone)
    model = CLIPN(clip, preprocess(architecture), settings.prompts).eval()
    trainer = Trainer(model, None, settings, ProcessGroup(), "cpu")
    sampler = Sampler(len(CAPTIONS), settings.batch_size, settings.epochs, seed=1)
    for step in range(sampler.steps):
        rows = sampler.rows(step)
        choice = sampler.draw(step, PROMPT, settings.prompts + 1)
        batch = Batch(images[rows], stored["yes"][rows], stored["tokens"][rows], choice, len(rows))
        trainer.advance(batch, sampler.epoch(step), learning_rate(settings, step, sampler.steps))
    ours, whole = (
        tensors["no.token_embedding.weight"] for tensors in (read_safetensors(output, FORMAT)[0], trainer.tensors())
    )
    unused = torch.ones(len(whole), dtype=torch.bool)
    unused[stored["tokens"].unique()] = False
    assert unused.sum() > 49_000
    assert not torch.equal(whole[unused], tiny_clip().token_embedding.weight[unused])
    assert torch.equal(ours[unused], whole[unused])
    torch.testing.assert_close(ours, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_trains_the_same_within_its_rounding(run: TinyRun, precision: str) -> None:
    exact, rounded = (read_log(run.train(name, precision=name)[1]) for name in ("fp32", precision))
    assert rounded != exact
    for ours, theirs in zip(exact, rounded, strict=True):
        assert theirs["total"] == pytest.approx(ours["total"], rel=0.1)


def test_an_overflow_in_fp16_leaves_the_step_out(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: huge(device, init_scale=1e30, enabled=enabled))
    output, _ = run.train("run", precision="fp16", epochs=1)
    tensors, _ = read_safetensors(output, FORMAT)
    for name, tensor in load_backbone(run.files.backbone)[0].state_dict().items():
        if f"no.{name}" in tensors:
            assert torch.equal(tensors[f"no.{name}"], tensor), name


# Switches


@pytest.mark.parametrize(("temperature", "scale"), [("frozen", 1 / 0.07), ("fixed", 100)])
def test_temperature_that_stays(run: TinyRun, temperature: str, scale: float) -> None:
    output, _ = run.train("run", temperature=temperature)
    assert clipn.load(output).logit_scale == pytest.approx(scale, rel=1e-6)


def test_temperature_that_is_learned(run: TinyRun) -> None:
    output, _ = run.train("run", temperature="learnable", learning_rate=1e-2)
    assert abs(clipn.load(output).logit_scale - 1 / 0.07) > 0.01


def test_temperature_stays_below_100(tmp_path: Path) -> None:
    clip = tiny_clip()
    clip.logit_scale.data.fill_(np.log(99.9))
    output, _ = tiny_run(tmp_path, clip).train("run", temperature="learnable", learning_rate=0.1, epochs=20)
    assert clipn.load(output).logit_scale <= 100.001


def test_hand_crafted_texts_need_no_caption_features_and_no_bank(run: TinyRun) -> None:
    run = replace(run, files=replace(run.files, captions=None))
    output, log = run.train("run", no_texts="handcrafted", epochs=20, learning_rate=1e-2)
    model = clipn.load(output)
    assert model.no.prompts is None
    losses = [row["total"] for row in read_log(log)]
    assert np.mean(losses[-9:]) < 0.9 * np.mean(losses[:9])


def test_online_crops_and_stored_views_train_on_other_pixels(run: TinyRun) -> None:
    logs = [read_log(run.train(name, augmentation=name)[1]) for name in ("none", "online")]
    assert logs[0][3] != logs[1][3]
    assert logs[0][3]["total"] == pytest.approx(logs[1][3]["total"], rel=0.2)


# Faults


def test_divergence_leaves_no_checkpoint_and_names_the_last_good_one(run: TinyRun) -> None:
    with pytest.raises(
        ClipnError, match=r"diverged at step \d \(.*nan.*\); lower `learning_rate`; last good checkpoint"
    ):
        run.train("run", epochs=4, learning_rate=1e15)
    assert not list(run.folder.glob("run.*"))


def test_what_a_training_lacks_is_named(run: TinyRun) -> None:
    for lacking, fields, message in (
        ({"captions": None}, {}, "--captions: learnable prompts need"),
        ({"images": None}, {}, "--images: augmentation 'none' needs"),
        ({"shards": ()}, {"augmentation": "online"}, "needs the shards"),
    ):
        with pytest.raises(ClipnError, match=message):
            replace(run, files=replace(run.files, **lacking)).train("run", **fields)


def test_features_of_another_kind_or_backbone_are_refused(run: TinyRun) -> None:
    with pytest.raises(ClipnError, match="expected 'clipn-caption-features-2'"):
        replace(run, files=replace(run.files, captions=run.files.backbone)).train("run")
    save_backbone(run.files.backbone, tiny_clip(seed=1), ARCHITECTURE, "tiny")
    with pytest.raises(ClipnError, match=r"captions\.safetensors: was made from another backbone"):
        run.train("run")


def test_views_that_are_not_those_of_the_variant_are_refused(run: TinyRun) -> None:
    with pytest.raises(ClipnError, match=r"views0\.safetensors: holds 0 random views, 4 are asked for"):
        run.train("run", augmentation="stored", views=4)


def test_several_processes_need_torchrun(run: TinyRun) -> None:
    with pytest.raises(ClipnError, match="processes: 2 expected, 1 running; start with torchrun"):
        run.train("run", processes=2)
