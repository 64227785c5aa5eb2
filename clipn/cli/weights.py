"""Subcommands that get weights of others, bring them to this project's form, and average those of runs."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import (
    Datasets,
    Device,
    LogitScale,
    Output,
    PairsOption,
    PromptPool,
    Threads,
    parse_logit_scale,
    parse_pairs,
)
from clipn.data.weights_registry import TensorNames

weights_app = typer.Typer(help="Fetch and verify weights.", no_args_is_help=True)
backbone_app = typer.Typer(help="Make a CLIP backbone.", no_args_is_help=True)
checkpoint_app = typer.Typer(help="Take over or average checkpoints of CLIPN.", no_args_is_help=True)

Weights = Annotated[Path, typer.Argument(help=".safetensors, or .pt, .pth or .bin with nothing but tensors")]
Members = Annotated[list[Path], typer.Argument(help="checkpoints of runs on the same backbone weights")]
SoupName = Annotated[str, typer.Option(help="name of the run, for the checkpoint's header")]
Tag = Annotated[str | None, typer.Option(help="open_clip tag of the weights, for their activation and preprocessing")]


@weights_app.command()
def fetch(
    key: Annotated[str, typer.Argument(help="ARCHITECTURE/TAG of a backbone, or name of another record")],
    registry: Annotated[Path, typer.Option(help="registry of weights")],
    output: Output,
) -> None:
    """Fetch one weight file, or take it from downloads/, and check its size and checksum."""
    from clipn.data.download import fetch_archive
    from clipn.data.weights_registry import load_weights

    fetch_archive(load_weights(registry).weights(key).archive, registry.parent, output)


@backbone_app.command("import")
def import_backbone(
    weights: Weights,
    name: Annotated[str, typer.Option(help="name of the backbone in the study")],
    architecture: Annotated[str, typer.Option(help="open_clip name or JSON file")],
    output: Output,
    tag: Tag = None,
) -> None:
    """Bring the weights of a CLIP model to a backbone file."""
    from clipn.model.backbone import convert_backbone

    convert_backbone(weights, architecture, output, name, tag)


@backbone_app.command("import-tower")
def import_image_tower(
    weights: Weights,
    architecture: Annotated[str, typer.Option(help="JSON file of an architecture with that tower")],
    output: Output,
    tensor_names: Annotated[TensorNames, typer.Option(help="what the file calls its tensors")] = "timm",
) -> None:
    """Bring the weights of an image tower of timm to an image tower file, which backbones are trained on."""
    from clipn.model.image_tower import convert_image_tower

    convert_image_tower(weights, architecture, tensor_names, output)


@checkpoint_app.command("import")
def import_checkpoint(
    checkpoint: Weights,
    backbone: Annotated[
        str, typer.Option(help="open_clip name, JSON file, or backbone file, which the checkpoint must then agree with")
    ],
    output: Output,
    tag: Tag = None,
) -> None:
    """Bring a checkpoint released by the authors of CLIPN, or one trained here, onto a backbone."""
    from clipn.model.released import convert_checkpoint

    convert_checkpoint(checkpoint, backbone, output, tag)


@checkpoint_app.command()
def average(
    checkpoints: Members,
    name: SoupName,
    output: Output,
) -> None:
    """Make one run of several without training: its weights are their mean (a model soup)."""
    from clipn.model.soup import average_checkpoints

    average_checkpoints(checkpoints, name, output)


@checkpoint_app.command("average-greedily")
def average_greedily(
    checkpoints: Members,
    name: SoupName,
    output: Output,
    pair: PairsOption,
    datasets: Datasets,
    features: Annotated[Path, typer.Option(help="folder of the image features of the runs' backbone")],
    prompts: PromptPool,
    logit_scale: LogitScale = "100",
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """As `average`, of those runs alone whose mean detects best on images that are held out (a greedy soup)."""
    from clipn.evaluation.greedy_soup import HeldOut
    from clipn.evaluation.greedy_soup import average_greedily as average_chosen

    held_out = HeldOut(parse_pairs(pair), datasets, features, prompts, parse_logit_scale(logit_scale))
    average_chosen(checkpoints, name, output, held_out, device, threads)
