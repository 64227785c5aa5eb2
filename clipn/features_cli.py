"""Subcommands that cache what the frozen towers say."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.options import BackboneFile, Device, Output, RegistryFile, ShardIndex, Shards, Threads, Workers

features_app = typer.Typer(help="Cache what the frozen towers say.", no_args_is_help=True)


@features_app.command("images")
def image_features(
    name: Annotated[str, typer.Argument(help="dataset")],
    registry: RegistryFile,
    archives: Annotated[Path, typer.Option(help="folder of the dataset's archives")],
    manifest: Annotated[Path, typer.Option(help="manifest of the dataset")],
    backbone: BackboneFile,
    output: Output,
    unpacked: Annotated[Path | None, typer.Option(help="unpacked copy, in place of the first archive")] = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of a dataset."""
    from clipn.compute import prepare_torch
    from clipn.data.location import locate
    from clipn.data.readers import read_images
    from clipn.data.registry import load_registry
    from clipn.features import cache_image_features

    prepare_torch(device, threads)
    location = locate(load_registry(registry).dataset(name), archives, registry.parent, unpacked)
    cache_image_features(backbone, manifest, read_images(location), output, device)


@features_app.command("captions")
def caption_features(
    index: ShardIndex,
    backbone: BackboneFile,
    output: Output,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache "yes" features and tokens of all captions."""
    from clipn.compute import prepare_torch
    from clipn.features import cache_caption_features

    prepare_torch(device, threads)
    cache_caption_features(backbone, index, output, device)


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
    from clipn.compute import prepare_torch
    from clipn.data.shards import ShardImages
    from clipn.features import cache_caption_images

    prepare_torch(device, threads)
    cache_caption_images(backbone, index, ShardImages(index, shards), views, output, workers, device)
