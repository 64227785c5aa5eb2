"""A small CLIP trained from scratch, and one on a locked image tower."""

import json
import math
from pathlib import Path
from typing import Any, get_args

import open_clip
import pytest
import torch

from clipn.data.shards import ShardImages
from clipn.errors import ClipnError
from clipn.features.tower import cache_caption_tower_features
from clipn.model.backbone import build, load_backbone
from clipn.model.image_tower import load_image_tower
from clipn.training.backbone import BackboneFiles, train_backbone
from clipn.training.contrastive import contrastive
from clipn.training.optimizer import learning_rate
from clipn.training.settings import BackboneTraining, FalseNegatives
from tests.helpers import tiny_tower as towers
from tests.helpers.tiny_model import ARCHITECTURE, unit
from tests.helpers.tiny_run import CAPTIONS, tiny_run


def test_rows_of_the_token_table_that_no_caption_holds_only_decay(tmp_path: Path) -> None:
    settings = BackboneTraining(epochs=2, batch_size=9, warmup_steps=1, threads=1)
    files, output, definition = tiny_run(tmp_path).files, tmp_path / "trained.safetensors", tmp_path / "tiny.json"
    definition.write_text(json.dumps(ARCHITECTURE))
    train_backbone(
        "tiny", BackboneFiles(files.shards, files.index), settings, output, tmp_path / "log.csv", str(definition)
    )
    torch.manual_seed(settings.seed)
    start, end = build(ARCHITECTURE).token_embedding.weight, load_backbone(output)[0].token_embedding.weight
    used = open_clip.SimpleTokenizer()(CAPTIONS).unique()[1:]  # the first is padding, which no feature depends on
    decay = math.prod(1 - learning_rate(settings, step, steps=4) * settings.weight_decay for step in range(4))
    expected = start * decay
    unused = torch.ones(len(start), dtype=torch.bool)
    unused[used] = False
    torch.testing.assert_close(end[unused], expected[unused], rtol=1e-6, atol=0)
    assert not torch.isclose(end[used], expected[used], rtol=1e-3).all(dim=1).any()


def test_a_locked_tower_stays_as_it_is_and_all_else_is_trained(tmp_path: Path) -> None:
    run, (tower, definition) = tiny_run(tmp_path), towers.tiny_tower(tmp_path)
    features, output = tmp_path / "features.safetensors", tmp_path / "trained.safetensors"
    cache_caption_tower_features(tower, run.files.index, ShardImages(run.files.index, run.files.shards), features, 0)
    files = BackboneFiles([], run.files.index, tower, features)
    settings = BackboneTraining(epochs=2, batch_size=9, warmup_steps=1, threads=1, lock_images=True)
    train_backbone("tiny", files, settings, output, tmp_path / "log.csv", str(definition))
    torch.manual_seed(settings.seed)
    trained, start = load_backbone(output)[0].state_dict(), build(towers.ARCHITECTURE).state_dict()
    locked = {f"visual.trunk.{name}": tensor for name, tensor in load_image_tower(tower).trunk.state_dict().items()}
    assert all(torch.equal(trained[name], tensor) for name, tensor in locked.items())
    unmoved = {name for name, tensor in trained.items() if torch.equal(tensor, start[name])} - locked.keys()
    assert unmoved == set()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"lock_images": True}, "--lock-images: needs --image-tower and --tower-features; name both files"),
        ({"false_negatives": "attract"}, "--false-negatives attract: needs --captions; name that Parquet file"),
        ({"flip": True}, "SHARDS: name the tar files, or --lock-images with the features of an image tower"),
    ],
)
def test_what_a_setting_needs(tmp_path: Path, settings: dict[str, Any], error: str) -> None:
    files, definition = tiny_run(tmp_path).files, tmp_path / "tiny.json"
    definition.write_text(json.dumps(ARCHITECTURE))
    of_run = BackboneFiles([] if "flip" in settings else files.shards, files.index)
    training = BackboneTraining(epochs=1, batch_size=9, threads=1, **settings)
    with pytest.raises(ClipnError, match=f"^{error}$"):
        train_backbone("tiny", of_run, training, tmp_path / "b.safetensors", tmp_path / "log.csv", str(definition))


def test_a_tower_that_is_not_locked_is_trained_from_what_it_was(tmp_path: Path) -> None:
    run, (tower, definition) = tiny_run(tmp_path), towers.tiny_tower(tmp_path)
    files = BackboneFiles(run.files.shards, run.files.index, tower)
    settings = BackboneTraining(epochs=1, batch_size=9, warmup_steps=0, threads=1, learning_rate=1e-9)
    train_backbone("tiny", files, settings, tmp_path / "b.safetensors", tmp_path / "log.csv", str(definition))
    trained, start = load_backbone(tmp_path / "b.safetensors")[0].visual.trunk, load_image_tower(tower).trunk
    name, weight = next(iter(start.named_parameters()))
    moved = (trained.get_parameter(name) - weight).abs().max()
    assert 0 < moved < 1e-6


def test_a_tower_of_another_architecture(tmp_path: Path) -> None:
    run, (tower, definition) = tiny_run(tmp_path), towers.tiny_tower(tmp_path)
    other = {**towers.ARCHITECTURE, "vision_cfg": {**towers.VISION, "image_size": 64}}
    definition.write_text(json.dumps(other))
    settings = BackboneTraining(epochs=1, batch_size=9, threads=1)
    files = BackboneFiles(run.files.shards, run.files.index, tower)
    with pytest.raises(ClipnError, match=rf"^{tower}: is of another --architecture; import it again with this one$"):
        train_backbone("tiny", files, settings, tmp_path / "b.safetensors", tmp_path / "log.csv", str(definition))


CLASSES = [0, 1, 0, 2, 0, 1]


@pytest.mark.parametrize("false_negatives", ["keep", "eliminate", "attract"])
def test_the_loss_is_the_sum_that_its_words_say(false_negatives: FalseNegatives) -> None:
    image, text, scale = unit(6, seed=1).double(), unit(6, seed=2).double(), 7.0
    total = 0.0
    for rows, columns in ((image, text), (text, image)):
        for i in range(6):
            mates = [j for j in range(6) if CLASSES[j] == CLASSES[i]]
            others = [j for j in range(6) if j not in mates or j == i or false_negatives != "eliminate"]
            log_sum = math.log(sum(math.exp(scale * float(rows[i] @ columns[j])) for j in others))
            positives = mates if false_negatives == "attract" else [i]
            total += sum(log_sum - scale * float(rows[i] @ columns[j]) for j in positives) / len(positives) / 6 / 2
    loss = contrastive(image, text, torch.tensor(scale), torch.tensor(CLASSES), false_negatives)
    assert loss.item() == pytest.approx(total, rel=1e-12)


def test_with_classes_of_one_sample_all_three_are_the_loss_of_open_clip() -> None:
    image, text, scale = unit(6, seed=1), unit(6, seed=2), torch.tensor(7.0)
    expected = open_clip.ClipLoss()(image, text, scale)
    for false_negatives in get_args(FalseNegatives):
        assert torch.allclose(contrastive(image, text, scale, torch.arange(6), false_negatives), expected)
