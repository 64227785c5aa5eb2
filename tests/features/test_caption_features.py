"""Stored features of captions and their images: as encoded one by one, and of nothing else than they say."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from benchmarks import plain
from clipn.data.archives import write_archive
from clipn.data.shards import ShardImages, index_shards
from clipn.errors import ClipnError
from clipn.features.captions import (
    cache_caption_features,
    cache_caption_images,
    read_caption_features,
    read_caption_images,
)
from clipn.model.backbone import preprocess, save_backbone
from clipn.model.tensors import read_metadata, read_tensors, write_safetensors
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model
from tests.helpers.tiny_run import CAPTIONS, TinyRun, tiny_run

ROUNDING = 5e-7
LONGEST = 1 + len(["photo", "of", "my", "very", "own", "blue", "old", "boat", "in", "the", "harbour"]) + 1


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return tiny_run(tmp_path)


def views(run: TinyRun, number: int, name: str = "views.safetensors", workers: int = 0) -> Path:
    """Stored crops of the images of a run."""
    output, images = run.folder / name, ShardImages(run.files.index, run.files.shards)
    cache_caption_images(run.files.backbone, run.files.index, images, number, output, workers)
    return output


def read(run: TinyRun, stored: Path, number: int = 0) -> torch.Tensor:
    return read_caption_images(stored, run.files.backbone, run.files.index, number)


# Captions


def test_tokens_end_with_the_longest_caption(run: TinyRun) -> None:
    tokens = read_caption_features(run.files.captions, run.files.backbone, run.files.index)["tokens"]
    whole = tiny_model().tokenizer(CAPTIONS)
    assert tokens.dtype == torch.int32
    assert torch.equal(tokens.long(), whole[:, :LONGEST])
    assert not whole[:, LONGEST:].any()


@pytest.mark.parametrize(("batch", "at_once"), [(256, 1000), (5, 1000), (5, 7)])
def test_yes_features_are_those_of_each_caption_alone(
    run: TinyRun, monkeypatch: pytest.MonkeyPatch, batch: int, at_once: int
) -> None:
    monkeypatch.setattr("clipn.model.clipn.ENCODE_BATCH", batch)
    monkeypatch.setattr("clipn.features.captions.CAPTIONS_AT_ONCE", at_once)
    cache_caption_features(run.files.backbone, run.files.index, run.files.captions)
    stored = read_caption_features(run.files.captions, run.files.backbone, run.files.index)["yes"]
    clip, tokens = tiny_clip(), tiny_model().tokenizer(CAPTIONS)
    alone = [plain.yes_features(clip, text[None]) for text in tokens]
    torch.testing.assert_close(stored, torch.cat(alone).detach(), rtol=0, atol=ROUNDING)


def test_a_caption_longer_than_the_context(tmp_path: Path) -> None:
    write_archive(
        tmp_path / "0.tar",
        [("0.jpg", b""), ("0.txt", b"word " * 200), ("1.jpg", b""), ("1.txt", b"")],
    )
    index, backbone, output = (tmp_path / name for name in ("index.parquet", "backbone", "captions"))
    index_shards([tmp_path / "0.tar"], index)
    save_backbone(backbone, tiny_clip(), ARCHITECTURE, "tiny")
    cache_caption_features(backbone, index, output)
    stored = read_caption_features(output, backbone, index)
    tokens = tiny_model().tokenizer(["word " * 200, ""])
    assert torch.equal(stored["tokens"].long(), tokens)
    torch.testing.assert_close(stored["yes"], plain.yes_features(tiny_clip(), tokens).detach(), rtol=0, atol=ROUNDING)


# Images


@pytest.mark.parametrize(("batch", "workers"), [(256, 0), (5, 2)])
def test_one_view_is_the_evaluation_crop(
    run: TinyRun, monkeypatch: pytest.MonkeyPatch, batch: int, workers: int
) -> None:
    monkeypatch.setattr("clipn.features.captions.BATCH", batch)
    stored = read(run, views(run, 0, workers=workers))
    clip, transform = tiny_clip(), preprocess(ARCHITECTURE)
    images = ShardImages(run.files.index, run.files.shards)
    alone = [clip.encode_image(transform(images[row].open())[None]).detach() for row in range(len(CAPTIONS))]
    assert stored.shape == (1, len(CAPTIONS), 32)
    torch.testing.assert_close(stored[0], normalize(torch.cat(alone), dim=1), rtol=0, atol=ROUNDING)


def test_views_are_training_crops(run: TinyRun) -> None:
    """Each close to, and none the same as, the whole image; every view of it differs."""
    stored, evaluated = read(run, views(run, 3), 3), read(run, views(run, 0, "one.safetensors"))
    assert stored.shape == (3, len(CAPTIONS), 32)
    torch.testing.assert_close(stored.norm(dim=2), torch.ones(3, len(CAPTIONS)))
    tables = torch.cat([stored, evaluated])
    apart = (tables[:, None] - tables[None]).abs().amax(dim=3)
    for one in range(4):
        for other in range(one):
            assert (apart[one, other] > 1e-4).float().mean() > 0.7  # small images have few crops
    assert (normalize(stored.mean(dim=0), dim=1) * evaluated[0]).sum(dim=1).min() > 0.5


def test_images_of_a_view_are_not_cut_alike(run: TinyRun) -> None:
    """The same image under 18 names gets many crops; under one seed, all images would lose the same edges."""
    content = ShardImages(run.files.index, run.files.shards)[0].content
    for number, shard in enumerate(run.files.shards):
        names = [f"{number}{row}" for row in range(9)]
        write_archive(shard, [member for name in names for member in ((f"{name}.png", content), (f"{name}.txt", b""))])
    index_shards(run.files.shards, run.files.index)
    stored = read(run, views(run, 1), 1)[0]
    assert len(stored.round(decimals=4).unique(dim=0)) > 9


def test_the_same_bytes_whoever_decodes(run: TinyRun) -> None:
    first = views(run, 2, "first.safetensors").read_bytes()
    torch.manual_seed(4321)
    assert views(run, 2, "again.safetensors", workers=2).read_bytes() == first


# Refusals

READERS = {"captions": read_caption_features, "images": partial(read_caption_images, views=0)}


@pytest.mark.parametrize("what", READERS)
def test_features_of_another_backbone_or_index_are_refused(run: TinyRun, what: str) -> None:
    files, reader = run.files, READERS[what]
    stored = getattr(files, what)
    other_backbone, other_index = run.folder / "other.safetensors", run.folder / "other.parquet"
    save_backbone(other_backbone, tiny_clip(seed=1), ARCHITECTURE, "tiny")
    index_shards(files.shards[:1], other_index)
    reader(stored, files.backbone, files.index)
    with pytest.raises(ClipnError, match=rf"{stored.name}: was made from another backbone than .*other\.safetensors"):
        reader(stored, other_backbone, files.index)
    with pytest.raises(ClipnError, match=rf"{stored.name}: was made from another index than .*other\.parquet"):
        reader(stored, files.backbone, other_index)


@pytest.mark.parametrize(("what", "name"), [("captions", "yes"), ("images", "image")])
def test_features_that_are_not_of_length_1_are_refused(run: TinyRun, what: str, name: str) -> None:
    files, reader = run.files, READERS[what]
    tensors, header = read_tensors(getattr(files, what)), read_metadata(getattr(files, what))
    tensors[name] = tensors[name] * 2
    write_safetensors(run.folder / "wrong.safetensors", tensors, header)
    with pytest.raises(ClipnError, match=rf"wrong\.safetensors: \d+ of the features '{name}' are not finite or not of"):
        reader(run.folder / "wrong.safetensors", files.backbone, files.index)


@pytest.mark.parametrize("what", READERS)
def test_files_of_another_kind_are_refused(run: TinyRun, what: str) -> None:
    files, reader = run.files, READERS[what]
    with pytest.raises(ClipnError, match=r"backbone\.safetensors: holds 'clipn-backbone-1', expected 'clipn-caption-"):
        reader(files.backbone, files.backbone, files.index)
    with pytest.raises(ClipnError, match=r"nowhere: no such file"):
        reader(run.folder / "nowhere", files.backbone, files.index)
    stored = getattr(files, what)
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(ClipnError, match=stored.name):
        reader(stored, files.backbone, files.index)
