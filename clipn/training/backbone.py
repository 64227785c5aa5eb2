"""Train a small CLIP on the study's shards: from scratch, so that a study needs no download, or on an image tower."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, normalize

from clipn.compute import prepare_torch
from clipn.data.captions.classes import read_classes_of
from clipn.data.shards import Sample, count_samples, read_captions_of, read_samples
from clipn.errors import ClipnError
from clipn.features.tower import TOWER, read_tower_features
from clipn.files import file_hash
from clipn.model.backbone import architecture, build, preprocess, save_backbone
from clipn.model.clipn import clip_tokenizer, encode_text, require_clip_text_tower
from clipn.model.image_tower import load_image_tower, trunk_of
from clipn.progress import progress, tracked
from clipn.training.contrastive import contrastive
from clipn.training.history import StepLog
from clipn.training.optimizer import LARGEST_LOGIT_SCALE, adamw, learning_rate, set_learning_rate
from clipn.training.sampler import Sampler
from clipn.training.settings import BackboneTraining
from clipn.training.sparse_embedding import SparseEmbedding


@dataclass(frozen=True)
class BackboneFiles:
    """What a backbone is trained on.

    Attributes:
        shards: tar files, in order; none with a locked image tower.
        index: of the shards.
        image_tower: image tower file that it starts from; None: random weights.
        tower_features: of the images, by that tower if it is locked.
        captions: Parquet of the captions, where false negatives are to be told.
        class_sources: caption sources in which the folder of an image is its class.
    """

    shards: Sequence[Path]
    index: Path
    image_tower: Path | None = None
    tower_features: Path | None = None
    captions: Path | None = None
    class_sources: Collection[str] = ()


def train_backbone(
    name: str, files: BackboneFiles, settings: BackboneTraining, output: Path, log: Path, architecture_name: str,
    device: str = "cpu",
) -> None:  # fmt: skip
    """Train with the symmetric contrastive loss of CLIP; all images, or their features, are held in memory.

    Args:
        name: of the backbone, for messages and metadata.
        files: what it is trained on.
        settings: batches, optimizer, crops, and what is locked.
        output: backbone file to write.
        log: CSV to write: step, epoch, loss, learning rate.
        architecture_name: open_clip name or JSON file.
        device: `cpu` or `cuda`.

    Raises:
        ClipnError: a file is missing or damaged, does not suit another, or the architecture does not suit.
        DivergedError: the loss is NaN or infinite.
    """
    prepare_torch(device, settings.threads)
    torch.manual_seed(settings.seed)
    config = architecture(architecture_name)
    model = _initial(config, settings, files.image_tower).to(device).train()
    encode_images = _image_encoder(model, config, settings, files, device)
    tokens = clip_tokenizer(model.context_length)(read_captions_of(files.index))
    loss_of = _loss(settings, files)
    embedding = SparseEmbedding(model, tokens)
    trained = ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    tokens, optimizer = embedding.compact(tokens), adamw(trained, settings)
    sampler, rows = Sampler(len(tokens), settings.batch_size, settings.epochs, settings.seed), StepLog(["loss"])
    with progress(sampler.samples * sampler.epochs, f"train {name}", "samples") as meter:
        for step in range(sampler.steps):
            indices = sampler.rows(step)
            rate = learning_rate(settings, step, sampler.steps)
            set_learning_rate(optimizer, rate)
            image = normalize(encode_images(indices), dim=-1)
            text = encode_text(model, tokens[indices].to(device))
            loss = loss_of(image, text, model.logit_scale.exp(), indices)
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
    locked = {TOWER: file_hash(files.image_tower)} if settings.lock_images and files.image_tower else {}
    save_backbone(output, model.cpu(), config, name, locked)


def _initial(config: dict[str, object], settings: BackboneTraining, image_tower: Path | None) -> open_clip.CLIP:
    """A randomly initialised model at the scale of the settings, with the image tower if there is one."""
    model = build(config)
    require_clip_text_tower(model)
    model.logit_scale.data.fill_(math.log(settings.logit_scale))
    if image_tower is not None:
        tower = load_image_tower(image_tower)
        if any(tower.architecture.get(key) != config.get(key) for key in ("vision_cfg", "preprocess_cfg")):
            raise ClipnError(f"{image_tower}: is of another --architecture; import it again with this one")
        trunk_of(model, "architecture").load_state_dict(tower.trunk.state_dict())
    return model


def _image_encoder(
    model: open_clip.CLIP, config: dict[str, object], settings: BackboneTraining, files: BackboneFiles, device: str
) -> Callable[[Tensor], Tensor]:
    """What gives the features (n, d) of samples by their rows (n,) in the index."""
    if settings.lock_images:
        if files.image_tower is None or files.tower_features is None:
            raise ClipnError("--lock-images: needs --image-tower and --tower-features; name both files")
        trunk_of(model, "architecture").requires_grad_(False)
        tower = file_hash(files.image_tower)
        features = read_tower_features(files.tower_features, tower, "index", files.index).to(device)
        return lambda rows: model.visual.head(features[rows.to(device)])
    if not files.shards:
        raise ClipnError("SHARDS: name the tar files, or --lock-images with the features of an image tower")
    images = _read_all(read_samples(files.shards), count_samples(files.index), config)
    # One that nothing else draws from: crops follow from the seed alone.
    generator = torch.Generator().manual_seed(settings.seed)
    return lambda rows: model.encode_image(_augment(images[rows], settings, generator).to(device))


def _loss(settings: BackboneTraining, files: BackboneFiles) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """The loss of image and text features (n, d), scale, and rows (n,) in the index."""
    if settings.false_negatives == "keep":
        plain = open_clip.ClipLoss()
        return lambda image, text, scale, _: plain(image, text, scale)
    if files.captions is None:
        raise ClipnError(f"--false-negatives {settings.false_negatives}: needs --captions; name that Parquet file")
    classes = torch.from_numpy(read_classes_of(files.index, files.captions, files.class_sources))
    return lambda image, text, scale, rows: contrastive(
        image, text, scale, classes[rows].to(image.device), settings.false_negatives
    )


def _read_all(samples: Iterable[Sample], total: int, config: dict[str, object]) -> Tensor:
    """Preprocessed images (n, 3, size, size) in float16."""
    transform = preprocess(config)
    # Half the memory; float16 holds the 256 values of a colour apart.
    images = (transform(sample.image.open()).half() for sample in samples)
    return torch.stack([*tracked(images, total, "decode images", "images")])


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
