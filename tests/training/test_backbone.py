"""A small CLIP trained from scratch."""

import json
import math
from pathlib import Path

import open_clip
import torch

from clipn.model.backbone import build, load_backbone
from clipn.training.backbone import train_backbone
from clipn.training.optimizer import learning_rate
from clipn.training.settings import BackboneTraining
from tests.helpers.tiny_model import ARCHITECTURE
from tests.helpers.tiny_run import CAPTIONS, tiny_run


def test_rows_of_the_token_table_that_no_caption_holds_only_decay(tmp_path: Path) -> None:
    settings = BackboneTraining(epochs=2, batch_size=9, warmup_steps=1, threads=1)
    files, output, definition = tiny_run(tmp_path).files, tmp_path / "trained.safetensors", tmp_path / "tiny.json"
    definition.write_text(json.dumps(ARCHITECTURE))
    train_backbone("tiny", files.shards, files.index, settings, output, tmp_path / "log.csv", str(definition))
    torch.manual_seed(settings.seed)
    start, end = build(ARCHITECTURE).token_embedding.weight, load_backbone(output)[0].token_embedding.weight
    used = open_clip.SimpleTokenizer()(CAPTIONS).unique()[1:]  # the first is padding, which no feature depends on
    decay = math.prod(1 - learning_rate(settings, step, steps=4) * settings.weight_decay for step in range(4))
    expected = start * decay
    unused = torch.ones(len(start), dtype=torch.bool)
    unused[used] = False
    torch.testing.assert_close(end[unused], expected[unused], rtol=1e-6, atol=0)
    assert not torch.isclose(end[used], expected[used], rtol=1e-3).all(dim=1).any()
