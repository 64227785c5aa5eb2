"""What training reads at each step: crops, stored and online features, texts; the same whoever computes them."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from benchmarks import plain
from clipn.data.archives import write_archive
from clipn.data.shards import ShardImages, index_shards
from clipn.errors import ClipnError
from clipn.features.captions import read_caption_images
from clipn.features.crops import crop_loader, training_crop
from clipn.model.backbone import preprocess
from clipn.text.prompts import no_prompt_pool, prompt_pool
from clipn.training.batches import (
    CROP_SEEDS,
    LocalBatches,
    Texts,
    handcrafted_texts,
    online_images,
    stored_images,
    stored_texts,
)
from clipn.training.distributed import ProcessGroup
from clipn.training.sampler import CROP, PROMPT, Sampler
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model, unit
from tests.helpers.tiny_run import CAPTIONS, TinyRun, tiny_run

SAMPLES = len(CAPTIONS)
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return tiny_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def images(run: TinyRun) -> ShardImages:
    return ShardImages(run.files.index, run.files.shards)


def local(start: int = 0, rank: int = 0, size: int = 1, **fields: float) -> LocalBatches:
    settings = {"samples": SAMPLES, "batch_size": 8, "epochs": 2, "seed": 1} | fields
    return LocalBatches(Sampler(**settings), ProcessGroup(rank, size), start, "cpu")


# Crops


def crops(images: ShardImages, items: list[tuple[int, int]], workers: int = 0, batch: int = 4) -> dict[int, Tensor]:
    """Crops by row, of items (row, seed)."""
    batches = [items[start : start + batch] for start in range(0, len(items), batch)]
    tensors = torch.cat(list(crop_loader(images, training_crop(ARCHITECTURE), batches, workers)))
    return dict(zip((row for row, _ in items), tensors, strict=True))


def same(one: dict[int, Tensor], other: dict[int, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[row], other[row]) for row in one)


def test_a_crop_depends_on_its_image_and_seed_only(images: ShardImages) -> None:
    items = [(row, 1000 + row) for row in range(SAMPLES)]
    expected = crops(images, items)
    assert same(crops(images, items, workers=2), expected)
    assert same(crops(images, items[::-1], workers=2, batch=5), expected)
    torch.manual_seed(4321)
    assert same(crops(images, items, batch=1), expected)
    others = crops(images, [(row, seed + 1) for row, seed in items])
    assert sum(torch.equal(expected[row], others[row]) for row in expected) < 3  # small images have few crops


def test_a_cluster_that_ends_a_job_does_not_end_the_workers_before_their_parent(images: ShardImages) -> None:
    """Slurm sends SIGTERM to every process of a job."""
    items = [(row, 1000 + row) for row in range(SAMPLES)]
    # More batches than are decoded ahead, so that the worker has work left.
    loader = crop_loader(images, training_crop(ARCHITECTURE), [[item] for item in items], 1)
    first = next(loader)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid or 0, signal.SIGTERM)
    assert torch.equal(torch.cat([first, *loader]), torch.stack([*crops(images, items).values()]))
    assert not worker.is_alive()


@pytest.mark.parametrize("workers", [0, 2])
def test_crops_leave_the_global_random_state(images: ShardImages, workers: int) -> None:
    """But for the one number that torch's DataLoader draws for its workers."""
    torch.manual_seed(7)
    torch.empty((), dtype=torch.int64).random_()
    expected = torch.get_rng_state()
    torch.manual_seed(7)
    crops(images, [(0, 1), (1, 2)], workers)
    assert torch.equal(torch.get_rng_state(), expected)


def test_a_crop_is_an_upright_90_to_100_percent_of_the_area() -> None:
    """An image whose red grows to the right and whose green grows downwards tells where its crop lay."""
    side, crop = 200, training_crop(ARCHITECTURE)
    ramp = np.broadcast_to(np.arange(side, dtype=np.uint8), (side, side))
    picture = PIL.Image.fromarray(np.stack([ramp, ramp.T, np.zeros_like(ramp)], axis=2))
    whole = preprocess(ARCHITECTURE)(picture)
    extent = [whole[0, 0, -1] - whole[0, 0, 0], whole[1, -1, 0] - whole[1, 0, 0]]
    areas = []
    for seed in range(40):
        torch.manual_seed(seed)
        pixels = crop(picture)
        assert pixels.shape == (3, 32, 32)
        areas.append(
            float((pixels[0, 0, -1] - pixels[0, 0, 0]) / extent[0] * (pixels[1, -1, 0] - pixels[1, 0, 0]) / extent[1])
        )
    assert 0.89 < min(areas) < 0.92
    assert 0.98 < max(areas) < 1.01


def test_a_crop_is_normalised_as_the_backbone_wants() -> None:
    architecture = ARCHITECTURE | {"preprocess_cfg": {"mean": [0.5, 0.25, 0.0], "std": [0.5, 1.0, 0.1]}}
    pixels = training_crop(architecture)(PIL.Image.new("RGB", (40, 50), (255, 0, 51)))
    expected = torch.tensor([1.0, -0.25, 2.0])[:, None, None].expand(3, 32, 32)
    torch.testing.assert_close(pixels, expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_decoded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """In one line, wherever it was met."""
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.1)  # patience with workers that failed
    write_archive(tmp_path / "0.tar", [("0.jpg", b"no image"), ("0.txt", b"caption")])
    index_shards([tmp_path / "0.tar"], tmp_path / "index.parquet")
    broken = ShardImages(tmp_path / "index.parquet", [tmp_path / "0.tar"])
    with pytest.raises(ClipnError) as caught:
        crops(broken, [(0, 1)], workers)
    message = str(caught.value)
    del caught
    gc.collect()  # ends the workers, which the error's traceback holds
    assert message.startswith("0.tar#0: truncated or not an image")
    assert len(message.splitlines()) == 1


# Parts of a batch


@pytest.mark.parametrize("size", [1, 2, 3, 8, 11])
def test_the_parts_of_all_processes_are_the_batch(size: int) -> None:
    parts, whole = [local(rank=rank, size=size) for rank in range(size)], local()
    for step in whole.steps:
        assert torch.equal(torch.cat([part.rows(step) for part in parts]), whole.sampler.rows(step))
        drawn = torch.cat([part.draw(step, PROMPT, 100) for part in parts])
        assert torch.equal(drawn, whole.sampler.draw(step, PROMPT, 100))


def sources(run: TinyRun) -> dict[str, Callable[[LocalBatches], list[Tensor]]]:
    """Every source as a function from batches to what it yields."""
    clip, images = tiny_clip(), ShardImages(run.files.index, run.files.shards)
    views, texts = unit(3 * SAMPLES).view(3, SAMPLES, -1), Texts(unit(SAMPLES), torch.arange(SAMPLES)[:, None])
    return {
        "stored images": lambda batches: list(stored_images(views, batches)),
        "online images": lambda batches: list(online_images(clip, images, training_crop(ARCHITECTURE), 0, batches)),
        "stored texts": lambda batches: [torch.cat(part, dim=1) for part in stored_texts(texts, batches)],
        "hand-crafted texts": lambda batches: [
            torch.cat(part, dim=1) for part in handcrafted_texts(clip, CAPTIONS, "clipn128", batches)
        ],
    }


@pytest.mark.parametrize("source", ["stored images", "online images", "stored texts", "hand-crafted texts"])
def test_parts_and_later_starts_see_the_same_samples(run: TinyRun, source: str) -> None:
    feed = sources(run)[source]
    whole = feed(local())
    assert [len(part) for part in whole] == [6] * 6
    parts = [feed(local(rank=rank, size=3)) for rank in range(3)]
    for step, together in enumerate(zip(*parts, strict=True)):
        torch.testing.assert_close(torch.cat(together), whole[step], rtol=0, atol=ROUNDING)
    resumed = feed(local(start=4))
    assert len(resumed) == 2
    assert all(torch.equal(*pair) for pair in zip(resumed, whole[4:], strict=True))
    assert feed(local(start=6)) == []
    again, other = feed(local()), feed(local(seed=2))
    assert all(torch.equal(*pair) for pair in zip(again, whole, strict=True))
    assert not torch.allclose(other[0], whole[0])
    assert not any(part.requires_grad for part in whole)


@pytest.mark.parametrize("source", ["stored images", "online images", "stored texts", "hand-crafted texts"])
def test_a_share_feeds_on_its_own_samples_as_the_whole_does(run: TinyRun, source: str) -> None:
    """A sample has the same crops, views and templates in both, whatever its place in the batch."""
    feed, whole, half = sources(run)[source], local(), local(fraction=0.5)
    tables = []
    for part in (whole, half):
        rows = [(part.sampler.epoch(step), row) for step in part.steps for row in part.rows(step).tolist()]
        tables.append(dict(zip(rows, torch.cat(feed(part)), strict=True)))
    assert len(tables[0]) == 2 * SAMPLES
    assert len(tables[1]) == SAMPLES
    for sample, fed in tables[1].items():
        torch.testing.assert_close(fed, tables[0][sample], rtol=0, atol=ROUNDING)


# Images


def test_a_stored_view_is_drawn_for_each_sample() -> None:
    """Features that say which view and sample they are."""
    views, samples = torch.meshgrid(torch.arange(4), torch.arange(200), indexing="ij")
    features = torch.stack([views, samples], dim=2).float()
    few, many = (local(samples=200, batch_size=size, epochs=3) for size in (150, 64))
    tables = []
    for part in (few, many):
        table = torch.full((3, 200), -1)
        for step, found in zip(part.steps, stored_images(features, part), strict=True):
            view, sample = found.long().T
            assert torch.equal(sample, part.rows(step))
            table[part.sampler.epoch(step), sample] = view
        tables.append(table)
    assert torch.equal(*tables)
    for epoch in tables[0]:
        assert (epoch.bincount(minlength=4) > 30).all()
    assert (tables[0][0] != tables[0][1]).float().mean() > 0.5


def test_one_stored_view_is_what_every_epoch_gets() -> None:
    features = unit(SAMPLES)
    part = local()
    for step, found in zip(part.steps, stored_images(features[None], part), strict=True):
        assert torch.equal(found, features[part.rows(step)])


def test_online_features_of_the_evaluation_crop_are_the_stored_ones(run: TinyRun, images: ShardImages) -> None:
    """The first time all 18 images in one batch, as they were stored."""
    stored = read_caption_images(run.files.images, run.files.backbone, run.files.index, views=0)
    for size in (SAMPLES, 5):
        part = local(batch_size=size)
        online = online_images(tiny_clip(), images, preprocess(ARCHITECTURE), 0, part)
        for found, expected in zip(online, stored_images(stored, part), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("workers", [0, 2])
def test_online_crops_are_new_in_every_epoch(images: ShardImages, workers: int) -> None:
    """And the same for other batches and workers."""
    clip, tables = tiny_clip(), []
    for size, helpers in ((18, workers), (4, 0)):
        part, table = local(batch_size=size), torch.zeros(2, SAMPLES, 32)
        found = online_images(clip, images, training_crop(ARCHITECTURE), helpers, part)
        for step, features in zip(part.steps, found, strict=True):
            table[part.sampler.epoch(step), part.rows(step)] = features
        tables.append(table)
    torch.testing.assert_close(*tables, rtol=0, atol=ROUNDING)
    assert ((tables[0][0] - tables[0][1]).abs().amax(dim=1) > 1e-3).all()
    torch.testing.assert_close(tables[0].norm(dim=2), torch.ones(2, SAMPLES))


def test_crops_of_one_step_are_not_cut_alike() -> None:
    """Every sample has its own seed."""
    part = local(samples=1000, batch_size=1000)
    assert len(set(part.draw(0, CROP, CROP_SEEDS).tolist())) == 1000


# Texts


def test_stored_texts_are_those_of_the_samples() -> None:
    texts, part = Texts(unit(SAMPLES), torch.arange(3 * SAMPLES).view(SAMPLES, 3)), local()
    for step, (yes, tokens) in zip(part.steps, stored_texts(texts, part), strict=True):
        assert torch.equal(yes, texts.yes[part.rows(step)])
        assert torch.equal(tokens, texts.tokens[part.rows(step)])


@pytest.mark.parametrize("pool", ["clipn128", "clipn128_clean", "single"])
def test_hand_crafted_texts_say_and_deny_the_same_line(pool: str) -> None:
    """Several lines are denied in the same words, so what was said tells which it was; every line is drawn."""
    clip, tokenizer, captions = tiny_clip(), tiny_model().tokenizer, CAPTIONS[:3]
    yes_lines, no_lines = prompt_pool(pool), no_prompt_pool(pool)
    said = [plain.yes_features(clip, tokenizer([line.format(caption) for line in yes_lines])) for caption in captions]
    denied = [tokenizer([line.format(caption) for line in no_lines]) for caption in captions]
    part, drawn = local(samples=3, batch_size=3, epochs=3 * len(yes_lines)), set()
    for step, texts in zip(part.steps, handcrafted_texts(clip, captions, pool, part), strict=True):
        for row, yes, tokens in zip(part.rows(step).tolist(), *texts, strict=True):
            matches = ((said[row] - yes).abs().amax(dim=1) < ROUNDING) & (denied[row] == tokens).all(dim=1)
            assert matches.sum() == 1
            drawn.add(int(matches.nonzero()))
    assert drawn == set(range(len(yes_lines)))


def test_a_pool_without_negation_has_no_hand_crafted_texts() -> None:
    with pytest.raises(ClipnError, match="templates: no pool 'openai80' that negates"):
        next(handcrafted_texts(tiny_clip(), CAPTIONS, "openai80", local()))
