"""Teach the "no" text tower on captions and images: read, resume, step, save."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor

from clipn.data.shards import ShardImages, count_samples, read_captions_of
from clipn.errors import ClipnError
from clipn.features.captions import read_caption_features, read_caption_images
from clipn.features.crops import training_crop
from clipn.files import file_hash
from clipn.fingerprint import fingerprint
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.clipn import CLIPN
from clipn.progress import progress
from clipn.training.batches import Share, Texts, handcrafted_texts, online_images, stored_images, stored_texts
from clipn.training.distributed import joined
from clipn.training.gradient import Batch, autocast
from clipn.training.history import Board, DivergedError, board
from clipn.training.optimizer import learning_rate
from clipn.training.resume import Interrupted, State, StopRequest, noticing_stop
from clipn.training.sampler import PROMPT, Order
from clipn.training.settings import Variant
from clipn.training.trainer import Training


@dataclass(frozen=True)
class TrainingFiles:
    """What a run is trained on.

    Attributes:
        backbone: backbone file.
        index: of the shards.
        captions: "yes" features and tokens; hand-crafted texts need none.
        images: stored image features; online crops need none.
        shards: tar files, for online crops.
    """

    backbone: Path
    index: Path
    captions: Path | None = None
    images: Path | None = None
    shards: Sequence[Path] = ()

    def hashes(self) -> dict[str, str]:
        """sha256 of every file but the shards, whose hashes are in the index."""
        files = {"backbone": self.backbone, "index": self.index, "captions": self.captions, "images": self.images}
        return {f"{name}_sha256": file_hash(path) for name, path in files.items() if path is not None}


def train(
    files: TrainingFiles, settings: Variant, seed: int, output: Path, log: Path, metadata: Mapping[str, str],
    work: Path, device: str = "cpu", curves: Path | None = None, workers: int = 0,
) -> None:  # fmt: skip
    """Train one run and write its checkpoint and its log; a run that was interrupted goes on where it was.

    Image and "yes" features come from caches where the settings allow it, which is exact: both towers are frozen.

    Args:
        files: inputs.
        settings: the variant.
        seed: fixes the order of samples and every draw.
        output: checkpoint to write.
        log: CSV to write: step, epoch, the loss parts before weighting, total, learning rate.
        metadata: names for the checkpoint's header.
        work: folder for the state of unfinished trainings.
        device: `cpu` or `cuda`.
        curves: folder for TensorBoard.
        workers: processes that decode images, for online crops; none: this one.

    Raises:
        ClipnError: an input is missing or of other data, or a loss is NaN or infinite.
        Interrupted: SIGTERM or Ctrl-C; the state is kept.
    """
    header = {**metadata, "seed": str(seed), "settings": settings.model_dump_json(), **files.hashes()}
    clip, architecture = load_backbone(files.backbone)
    made_by = {
        "code": fingerprint("clipn.training.clipn", "clipn.compute"),
        "torch": torch.__version__,
        "device": device,
    }
    state = State(work, header, made_by, architecture)
    order = Order(count_samples(files.index), settings.batch_size, settings.epochs, seed, settings.share)
    if order.steps and order.smallest_batch < settings.processes:
        sizes = f"{settings.processes} cannot share batches of {order.smallest_batch} samples"
        raise ClipnError(f"processes: {sizes}; use fewer processes or larger batches")
    texts = _stored_texts(files, settings) if order.steps else None
    with joined(device, settings.processes) as (processes, place), noticing_stop() as stop:
        prompts = settings.prompts if settings.no_texts == "learnable" else 0
        model = CLIPN(clip, preprocess(architecture), prompts, settings.tokens).to(place).eval()
        training = Training(model, texts.tokens if texts else None, settings, processes, place)
        state.resume(training)
        share = Share(order, processes, training.done, place, settings.micro_batch)
        if share.steps:
            images = _images(files, settings, clip, architecture, share, workers)
            captions = _texts(files, settings, clip, texts, share)
            with board(curves if processes.rank == 0 else None, training.done) as note:
                _optimise(training, images, captions, share, state, stop, note)
        state.finish(training, output, log)


def _optimise(
    training: Training, images: Iterator[Tensor], texts: Iterator[Texts], share: Share, state: State,
    stop: StopRequest, note: Board,
) -> None:  # fmt: skip
    """Take all steps that are left; keep the state at the end of every epoch and when told to stop."""
    settings, order = training.settings, share.order
    samples = order.samples_per_epoch * order.epochs
    with progress(samples, "train", "samples", done=order.samples_before(training.done)) as meter:
        for step in share.steps:
            with autocast(settings, share.device):
                image, (yes, tokens) = next(images), next(texts)
            choice = share.draw(step, PROMPT, settings.prompts + 1)
            size = len(order.rows(step))
            rate = learning_rate(settings, step, order.steps)
            try:
                losses = training.advance(Batch(image, yes, tokens, choice, size), order.epoch(step), rate)
                stopping = training.processes.any(stop.made, share.device)
                keeping = stopping or order.ends_epoch(step)
                if keeping:
                    training.require_finite()
            except DivergedError as error:
                kept = f"last good checkpoint: {state.newest}; losses: {state.keep_log(training)}"
                raise ClipnError(f"{error}; {kept}") from error
            note(step, {**losses, "learning_rate": rate})
            meter.update(size)
            if keeping:
                state.keep(training)
            if stopping:
                raise Interrupted(f"stopped after step {step}; the same command goes on from {state.path}")


def _stored_texts(files: TrainingFiles, settings: Variant) -> Texts | None:
    """Features and tokens of all captions; None if the texts are made on the way."""
    if settings.no_texts == "handcrafted":
        return None
    if files.captions is None:
        raise ClipnError("--captions: learnable prompts need the caption features of the backbone")
    stored = read_caption_features(files.captions, files.backbone, files.index)
    return Texts(stored["yes"], stored["tokens"])


def _texts(
    files: TrainingFiles, settings: Variant, clip: open_clip.CLIP, stored: Texts | None, share: Share
) -> Iterator[Texts]:
    if stored is not None:
        return stored_texts(stored, share)
    return handcrafted_texts(clip, read_captions_of(files.index), settings.templates, share)


def _images(
    files: TrainingFiles,
    settings: Variant,
    clip: open_clip.CLIP,
    architecture: dict[str, Any],
    share: Share,
    workers: int,
) -> Iterator[Tensor]:
    if settings.augmentation != "online":
        if files.images is None:
            raise ClipnError(f"--images: augmentation {settings.augmentation!r} needs the stored image features")
        views = settings.views if settings.augmentation == "stored" else 0
        return stored_images(read_caption_images(files.images, files.backbone, files.index, views), share)
    if not files.shards:
        raise ClipnError("augmentation 'online' needs the shards; name them as arguments")
    images = ShardImages(files.index, files.shards)
    return online_images(clip, images, training_crop(architecture), workers, share)
