"""Train a small CLIP from scratch on the study's shards, so that a study needs no download of weights."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, normalize

from clipn.compute import prepare_torch
from clipn.data.shards import Sample, count_samples, read_samples
from clipn.model.backbone import architecture, build, preprocess, save_backbone
from clipn.model.clipn import encode_text, require_clip_text_tower
from clipn.progress import progress, tracked
from clipn.training.history import StepLog
from clipn.training.optimizer import LARGEST_LOGIT_SCALE, adamw, learning_rate, set_learning_rate
from clipn.training.sampler import Sampler
from clipn.training.settings import BackboneTraining
from clipn.training.sparse_embedding import SparseEmbedding


def train_backbone(
    name: str, shards: Sequence[Path], index: Path, settings: BackboneTraining, output: Path, log: Path,
    architecture_name: str, device: str = "cpu",
) -> None:  # fmt: skip
    """Train with the symmetric contrastive loss of CLIP; all images are held in memory.

    Args:
        name: of the backbone, for messages and metadata.
        shards: tar files, in order.
        index: of the shards.
        settings: batches, optimizer and crops.
        output: backbone file to write.
        log: CSV to write: step, epoch, loss, learning rate.
        architecture_name: open_clip name or JSON file.
        device: `cpu` or `cuda`.

    Raises:
        ClipnError: a shard or the index is missing or damaged, or the architecture does not suit.
        DivergedError: the loss is NaN or infinite.
    """
    prepare_torch(device, settings.threads)
    torch.manual_seed(settings.seed)
    config = architecture(architecture_name)
    model = _initial(config, settings).to(device).train()
    images, tokens = _read_all(read_samples(shards), count_samples(index), model, config)
    embedding = SparseEmbedding(model, tokens)
    tokens, optimizer = embedding.compact(tokens), adamw(model.named_parameters(), settings)
    contrastive = open_clip.ClipLoss()
    sampler, rows = Sampler(len(images), settings.batch_size, settings.epochs, settings.seed), StepLog(["loss"])
    # One that nothing else draws from: crops follow from the seed alone.
    generator = torch.Generator().manual_seed(settings.seed)
    with progress(sampler.samples * sampler.epochs, f"train {name}", "samples") as meter:
        for step in range(sampler.steps):
            indices = sampler.rows(step)
            rate = learning_rate(settings, step, sampler.steps)
            set_learning_rate(optimizer, rate)
            image = normalize(model.encode_image(_augment(images[indices], settings, generator).to(device)), dim=-1)
            text = encode_text(model, tokens[indices].to(device))
            loss = contrastive(image, text, model.logit_scale.exp())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, LARGEST_LOGIT_SCALE)
            rows.add(step, sampler.epoch(step), [loss.item()], rate)
            meter.update(len(indices))
    rows.write(log)
    factors = [1 - rate * settings.weight_decay for *_, rate in rows.rows]
    model.token_embedding = nn.Embedding.from_pretrained(embedding.table(factors), freeze=False)
    save_backbone(output, model.cpu(), config, name)


def _initial(config: dict[str, object], settings: BackboneTraining) -> open_clip.CLIP:
    """A randomly initialised model at the scale of the settings."""
    model = build(config)
    require_clip_text_tower(model)
    model.logit_scale.data.fill_(math.log(settings.logit_scale))
    return model


def _read_all(
    samples: Iterable[Sample], total: int, model: open_clip.CLIP, config: dict[str, object]
) -> tuple[Tensor, Tensor]:
    """Preprocessed images (n, 3, size, size) in float16 and tokens (n, context)."""
    transform = preprocess(config)
    images, captions = [], []
    for sample in tracked(samples, total, "decode images", "images"):
        # Half the memory; float16 holds the 256 values of a colour apart.
        images.append(transform(sample.image.open()).half())
        captions.append(sample.caption)
    return torch.stack(images), open_clip.SimpleTokenizer(context_length=model.context_length)(captions)


def _augment(images: Tensor, settings: BackboneTraining, generator: torch.Generator) -> Tensor:
    """Random crops, resized back, and mirroring; (n, 3, size, size) in, the same out in float32."""
    n = len(images)
    # All four rows whatever the settings ask for, so that mirroring changes no crop.
    draw = torch.rand(4, n, generator=generator)
    scale = settings.crop + (1 - settings.crop) * draw[0]
    mirror = torch.where(draw[3] < 0.5, -1.0, 1.0) if settings.flip else torch.ones(n)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale * mirror, scale
    # An image spans [-1, 1] here, so a crop of half its side has room to move by half a unit either way.
    theta[:, :, 2] = ((2 * draw[1:3] - 1) * (1 - scale)).T
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    # The outermost half pixel lies beyond all pixel centres; zeros there would pull the edge to the mean colour.
    return grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
