"""Subcommands that cache what the frozen towers say."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import (
    Archives,
    BackboneFile,
    Datasets,
    Device,
    LogitScale,
    Output,
    PromptPool,
    RegistryFile,
    ShardIndex,
    Shards,
    Threads,
    Unpacked,
    UnpackedCopies,
    Workers,
    parse_copies,
    parse_logit_scale,
)

features_app = typer.Typer(help="Cache what the frozen towers say.", no_args_is_help=True)

DatasetName = Annotated[str, typer.Argument(help="dataset")]
DatasetArchives = Annotated[Path, typer.Option(help="folder of the dataset's archives")]
Manifest = Annotated[Path, typer.Option(help="manifest of the dataset")]
IDDescription = Annotated[Path, typer.Option(help="dataset.json of the ID dataset, which names its classes")]


@features_app.command("images")
def image_features(
    name: DatasetName,
    registry: RegistryFile,
    archives: DatasetArchives,
    manifest: Manifest,
    backbone: BackboneFile,
    output: Output,
    unpacked: Unpacked = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of a dataset."""
    # Torch takes seconds to import, so every command imports it only when it is called.
    from clipn.data.readers import read_dataset
    from clipn.features.images import cache_image_features

    cache_image_features(backbone, manifest, read_dataset(name, registry, archives, unpacked), output, device, threads)


@features_app.command("perturbed")
def perturbed_features(
    names: Annotated[list[str], typer.Argument(help="datasets, the ID dataset first")],
    registry: RegistryFile,
    archives: Archives,
    datasets: Datasets,
    backbone: BackboneFile,
    output: Output,
    prompts: PromptPool = "clipn128",
    logit_scale: LogitScale = "100",
    epsilon: Annotated[
        float, typer.Option(min=0, help="step of every pixel, in units of the normalised image")
    ] = 0.0014,
    unpacked: UnpackedCopies = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of datasets, perturbed as ODIN does under the classes of the first."""
    from clipn.features.perturbed import DatasetFolders, perturb_datasets

    scale, copies = parse_logit_scale(logit_scale), parse_copies(unpacked)
    folders = DatasetFolders(registry, archives, datasets, copies)
    perturb_datasets(backbone, names, folders, prompts, scale, epsilon, output, device, threads)


@features_app.command("negatives")
def negative_labels(
    backbone: BackboneFile,
    description: IDDescription,
    words: Annotated[str, typer.Option(help="text file with a word per line; or `wordnet`: the system's copy")],
    output: Output,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Choose NegLabel's negative labels for the ID classes and cache their features."""
    from clipn.features.negative_labels import write_negative_labels

    write_negative_labels(backbone, description, words, output, device, threads)


@features_app.command("captions")
def caption_features(
    index: ShardIndex,
    backbone: BackboneFile,
    output: Output,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache "yes" features and tokens of all captions."""
    from clipn.features.captions import cache_caption_features

    cache_caption_features(backbone, index, output, device, threads)


@features_app.command("caption-images")
def caption_images(
    shards: Shards,
    index: ShardIndex,
    backbone: BackboneFile,
    output: Output,
    views: Annotated[int, typer.Option(help="random crops of every image; 0: the evaluation crop")] = 0,
    workers: Workers = 2,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of all captions."""
    from clipn.data.shards import ShardImages
    from clipn.features.captions import cache_caption_images

    cache_caption_images(backbone, index, ShardImages(index, shards), views, output, workers, device, threads)
