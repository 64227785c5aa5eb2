"""Teach the "no" text tower on captions and images: read, resume, step, save."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor

from clipn.compute import described, prepare_torch
from clipn.data.shards import ShardImages, count_samples, read_captions_of
from clipn.errors import ClipnError
from clipn.features.captions import read_caption_features, read_caption_images
from clipn.features.crops import training_crop
from clipn.files import file_hash
from clipn.fingerprint import fingerprint
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.clipn import CLIPN
from clipn.progress import progress
from clipn.training.batches import LocalBatches, Texts, handcrafted_texts, online_images, stored_images, stored_texts
from clipn.training.distributed import process_group
from clipn.training.gradient import Batch, autocast
from clipn.training.history import DivergedError, ScalarWriter, scalar_writer
from clipn.training.optimizer import learning_rate
from clipn.training.resume import Interrupted, StopRequest, TrainingState, stop_on_signal
from clipn.training.sampler import PROMPT, Sampler
from clipn.training.settings import Variant
from clipn.training.trainer import Trainer


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
    """Train one run and write its checkpoint and its log; a run that was interrupted goes on from its last state.

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
        workers: processes that decode images, for online crops; 0: this one.

    Raises:
        ClipnError: an input is missing or of other data, or a loss is NaN or infinite.
        Interrupted: SIGTERM or Ctrl-C; the state is kept.
    """
    prepare_torch(device, settings.threads)
    header = {**metadata, "seed": str(seed), "settings": settings.model_dump_json(), **files.hashes()}
    clip, architecture = load_backbone(files.backbone)
    # A state that other code, another torch or another device left behind could not end in the same bytes.
    code = fingerprint("clipn.training.clipn.train")
    made_by = {"code": code, "torch": torch.__version__, "device": device, "arithmetic": described()}
    state = TrainingState(work, header, made_by, architecture)
    sampler = Sampler(count_samples(files.index), settings.batch_size, settings.epochs, seed, settings.share)
    if sampler.steps and sampler.smallest_batch < settings.processes:
        sizes = f"{settings.processes} cannot share batches of {sampler.smallest_batch} samples"
        raise ClipnError(f"processes: {sizes}; use fewer processes or larger batches")
    texts = _stored_texts(files, settings) if sampler.steps else None
    with process_group(device, settings.processes) as (group, local_device), stop_on_signal() as stop:
        prompts = settings.prompts if settings.no_texts == "learnable" else 0
        model = CLIPN(clip, preprocess(architecture), prompts, settings.tokens).to(local_device).eval()
        trainer = Trainer(model, texts.tokens if texts else None, settings, group, local_device)
        state.resume(trainer)
        batches = LocalBatches(sampler, group, trainer.done, local_device, settings.micro_batch)
        if batches.steps:
            image_batches = _image_batches(files, settings, clip, architecture, batches, workers)
            text_batches = _text_batches(files, settings, clip, texts, batches)
            # One process writes the curves; several would draw each of them several times.
            with scalar_writer(curves if group.rank == 0 else None, trainer.done) as write_scalars:
                _take_steps(trainer, image_batches, text_batches, batches, state, stop, write_scalars)
        state.finish(trainer, output, log)


def _take_steps(
    trainer: Trainer, images: Iterator[Tensor], texts: Iterator[Texts], batches: LocalBatches, state: TrainingState,
    stop: StopRequest, write_scalars: ScalarWriter,
) -> None:  # fmt: skip
    """Take all steps that are left; keep the state at the end of every epoch and when told to stop."""
    settings, sampler = trainer.settings, batches.sampler
    samples = sampler.samples_per_epoch * sampler.epochs
    with progress(samples, "train", "samples", done=sampler.samples_before(trainer.done)) as meter:
        for step in batches.steps:
            # The frozen towers run inside `next`, so their precision is set here.
            with autocast(settings, batches.device):
                image, (yes, tokens) = next(images), next(texts)
            choice = batches.draw(step, PROMPT, settings.prompts + 1)
            size = len(sampler.rows(step))
            rate = learning_rate(settings, step, sampler.steps)
            try:
                losses = trainer.advance(Batch(image, yes, tokens, choice, size), sampler.epoch(step), rate)
                # A signal may reach a single process; if it stopped alone, the others would wait for it for ever.
                stopping = trainer.group.any(stop.made, batches.device)
                keeping = stopping or sampler.ends_epoch(step)
                if keeping:
                    # What the last step did to the weights shows in no loss yet.
                    trainer.require_finite()
            except DivergedError as error:
                kept = f"last good checkpoint: {state.newest}; losses: {state.keep_log(trainer)}"
                raise ClipnError(f"{error}; {kept}") from error
            write_scalars(step, {**losses, "learning_rate": rate})
            meter.update(size)
            if keeping:
                state.keep(trainer)
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


def _text_batches(
    files: TrainingFiles, settings: Variant, clip: open_clip.CLIP, stored: Texts | None, batches: LocalBatches
) -> Iterator[Texts]:
    """Texts of every step, stored or captions in templates."""
    if stored is not None:
        return stored_texts(stored, batches)
    return handcrafted_texts(clip, read_captions_of(files.index), settings.templates, batches)


def _image_batches(
    files: TrainingFiles,
    settings: Variant,
    clip: open_clip.CLIP,
    architecture: dict[str, Any],
    batches: LocalBatches,
    workers: int,
) -> Iterator[Tensor]:
    """Image features of every step, stored or of crops drawn on the way."""
    if settings.augmentation != "online":
        if files.images is None:
            raise ClipnError(f"--images: augmentation {settings.augmentation!r} needs the stored image features")
        views = settings.views if settings.augmentation == "stored" else 0
        return stored_images(read_caption_images(files.images, files.backbone, files.index, views), batches)
    if not files.shards:
        raise ClipnError("augmentation 'online' needs the shards; name them as arguments")
    images = ShardImages(files.index, files.shards)
    return online_images(clip, images, training_crop(architecture), workers, batches)
