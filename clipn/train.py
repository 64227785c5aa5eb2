"""Teach the "no" text tower on cached caption features."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from clipn.backbone import load_backbone, preprocess
from clipn.checkpoint import save_checkpoint
from clipn.features import read_caption_features
from clipn.losses import itbo, tso
from clipn.model import CLIPN
from clipn.optimiser import adamw, learning_rate, set_learning_rate
from clipn.settings import Variant
from clipn.steps import StepLog, batches, count_steps

LOSSES = ["matched", "unmatched", "tso", "total"]


def train(
    backbone: Path, captions: Path, settings: Variant, seed: int, output: Path, log: Path,
    metadata: Mapping[str, str], device: str = "cpu",
) -> None:  # fmt: skip
    """Train one run and write its checkpoint and its log.

    Image and "yes" features are read from the cache, which is exact because both towers are frozen and images
    are not augmented.

    Args:
        backbone: backbone file.
        captions: caption features of that backbone.
        settings: the variant.
        seed: fixes the order of samples and the draw of prompts.
        output: checkpoint to write.
        log: CSV to write: step, epoch, the loss parts before weighting, total, learning rate.
        metadata: names for the checkpoint's header.
        device: `cpu` or `cuda`.
    """
    clip, config = load_backbone(backbone)
    model = CLIPN(clip, preprocess(config), settings.prompts).to(device).train()
    rows = StepLog(LOSSES)
    if settings.epochs:
        _optimise(model, read_caption_features(captions), settings, seed, rows, device)
    rows.write(log)
    header = {**metadata, "seed": str(seed), "settings": settings.model_dump_json()}
    save_checkpoint(output, model, config, header)


def _optimise(
    model: CLIPN, captions: dict[str, Tensor], settings: Variant, seed: int, rows: StepLog, device: str
) -> None:
    samples, scale = len(captions["tokens"]), model.logit_scale
    steps = count_steps(samples, settings)
    optimiser = adamw(model.no.named_parameters(), settings)
    generator = torch.Generator().manual_seed(seed)
    for step, epoch, indices in batches(samples, settings, seed, f"train seed {seed}"):
        rate = learning_rate(settings, step, steps)
        set_learning_rate(optimiser, rate)
        image, yes, tokens = (captions[name][indices].to(device) for name in ("image", "yes", "tokens"))
        choice = torch.randint(settings.prompts + 1, (len(indices),), generator=generator).to(device)
        no = model.no(tokens, choice)
        matched, unmatched = itbo(image, yes, no, scale)
        opposite = tso(yes, no, settings.tso_epsilon)
        total = settings.loss_weight * (matched + unmatched + opposite)
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rows.add(step, epoch, torch.stack([matched, unmatched, opposite, total]).tolist(), rate)
