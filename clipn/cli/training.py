"""Commands that train."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import BackboneFile, Device, Output, ShardIndex, Workers, options_from
from clipn.cli.weights import backbone_app
from clipn.training.settings import BackboneTraining, Variant
from clipn.yaml_models import LARGEST_SEED


@backbone_app.command("train")
@options_from(BackboneTraining)
def train_backbone(
    name: Annotated[str, typer.Argument(help="name of the backbone in the study")],
    index: ShardIndex,
    architecture: Annotated[str, typer.Option(help="open_clip name or JSON file")],
    output: Output,
    history: Annotated[Path, typer.Option(help="CSV to write: one row per step", writable=True)],
    settings: BackboneTraining,
    shards: Annotated[list[Path] | None, typer.Argument(help="tar files, in order; none with --lock-images")] = None,
    image_tower: Annotated[Path | None, typer.Option(help="image tower file to start from")] = None,
    tower_features: Annotated[Path | None, typer.Option(help="of the captions' images, for --lock-images")] = None,
    captions: Annotated[Path | None, typer.Option(help="Parquet of the captions, to tell false negatives")] = None,
    class_source: Annotated[
        list[str] | None, typer.Option(help="caption source in which an image's folder is its class; repeat")
    ] = None,
    device: Device = "cpu",
) -> None:
    """Train a small CLIP on shards: from scratch, or its text tower and a projection on a locked image tower (LiT)."""
    from clipn.training.backbone import BackboneFiles
    from clipn.training.backbone import train_backbone as train

    files = BackboneFiles(shards or [], index, image_tower, tower_features, captions, class_source or [])
    train(name, files, settings, output, history, architecture, device)


@options_from(Variant)
def train(
    backbone: BackboneFile,
    index: ShardIndex,
    name: Annotated[str, typer.Option(help="name of the run, for the checkpoint's header")],
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="fixes the order of samples and every draw")],
    output: Output,
    history: Annotated[Path, typer.Option(help="CSV to write: one row per step", writable=True)],
    settings: Variant,
    shards: Annotated[list[Path] | None, typer.Argument(help="tar files, for online crops")] = None,
    captions: Annotated[Path | None, typer.Option(help="caption features, for learnable prompts")] = None,
    images: Annotated[Path | None, typer.Option(help="features of the captions' images, unless online")] = None,
    work: Annotated[Path, typer.Option(help="folder for the state of unfinished trainings")] = Path("work/train"),
    curves: Annotated[Path | None, typer.Option(help="folder for TensorBoard, where it is installed")] = None,
    workers: Workers = 4,
    device: Device = "cpu",
) -> None:
    """Teach the "no" text tower; run it again to resume after an interruption. Options default to the authors' values.

    Several processes: torchrun --nproc-per-node N --no-python clipn train ... --processes N
    """
    from clipn.training.clipn import TrainingFiles
    from clipn.training.clipn import train as train_run

    files = TrainingFiles(backbone, index, captions, images, shards or [])
    train_run(files, settings, seed, output, history, {"run": name}, work, device, curves, workers)
