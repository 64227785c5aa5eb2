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
    RegistryFiles,
    ShardIndex,
    Shards,
    Threads,
    UnpackedCopies,
    Workers,
    finite,
    parse_copies,
    parse_logit_scale,
    parse_named,
)

features_app = typer.Typer(help="Cache what the frozen towers say.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(help="datasets")]
IDNames = Annotated[list[str], typer.Argument(help="ID datasets")]
IDNameFirst = Annotated[list[str], typer.Argument(help="datasets, the ID dataset first")]
TowerFile = Annotated[Path, typer.Option(help="image tower file")]
OutputFolder = Annotated[Path, typer.Option(help="folder to write to, a file per dataset")]


@features_app.command("images")
def image_features(
    names: Names,
    registries: RegistryFiles,
    archives: Archives,
    datasets: Datasets,
    backbone: BackboneFile,
    output: OutputFolder,
    unpacked: UnpackedCopies = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of datasets."""
    # Torch takes seconds to import, so every command imports it only when it is called.
    from clipn.features.folders import DatasetFolders
    from clipn.features.images import cache_image_features

    folders = DatasetFolders(registries, archives, datasets, parse_copies(unpacked))
    cache_image_features(backbone, folders.by_output(names, output), device, threads)


@features_app.command("perturbed")
def perturbed_features(
    names: IDNameFirst,
    registries: RegistryFiles,
    archives: Archives,
    datasets: Datasets,
    backbone: BackboneFile,
    output: Output,
    prompts: PromptPool = "clipn128",
    logit_scale: LogitScale = "100",
    epsilon: Annotated[
        float, typer.Option(min=0, callback=finite, help="step of every pixel, in units of the normalised image")
    ] = 0.0014,
    unpacked: UnpackedCopies = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of datasets, perturbed as ODIN does under the classes of the first."""
    from clipn.features.folders import DatasetFolders
    from clipn.features.perturbed import cache_perturbed_features

    folders = DatasetFolders(registries, archives, datasets, parse_copies(unpacked))
    scale = parse_logit_scale(logit_scale)
    opened, classes = folders.with_classes(names)
    cache_perturbed_features(backbone, opened, classes, prompts, scale, epsilon, output, device, threads)


@features_app.command("local")
def local_features(
    names: IDNameFirst,
    registries: RegistryFiles,
    archives: Archives,
    datasets: Datasets,
    backbone: BackboneFile,
    output: Output,
    prompts: PromptPool = "clipn128",
    unpacked: UnpackedCopies = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache what patches of the images of datasets say of the classes of the first, for GL-MCM and L-MCM."""
    from clipn.features.folders import DatasetFolders
    from clipn.features.local import cache_local_features

    opened, classes = DatasetFolders(registries, archives, datasets, parse_copies(unpacked)).with_classes(names)
    cache_local_features(backbone, opened, classes, prompts, output, device, threads)


@features_app.command("negatives")
def negative_labels(
    names: IDNames,
    datasets: Datasets,
    backbone: BackboneFile,
    method: Annotated[list[str], typer.Option(help="`neglabel`, `csp` or `eoe`; repeat")],
    output: Annotated[Path, typer.Option(help="folder to write to, a folder per method, a file per ID dataset")],
    words: Annotated[
        str | None,
        typer.Option(help="for `neglabel` and `csp`: text file with a word per line; or `wordnet`: the system's copy"),
    ] = None,
    envisioned: Annotated[
        list[str] | None, typer.Option(help="for `eoe`: ID:FILE of the words that a language model envisioned; repeat")
    ] = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Choose the words that methods set against the classes of ID datasets, and cache their features."""
    from clipn.features.words import write_words

    files = parse_named("--envisioned", envisioned or [], "ID:FILE")
    write_words(backbone, names, datasets, method, words, files, output, device, threads)


@features_app.command("prompts")
def prompt_features(
    names: IDNames,
    datasets: Datasets,
    backbone: BackboneFile,
    index: ShardIndex,
    caption_images: Annotated[Path, typer.Option(help="features of the captions' images under the evaluation crop")],
    output: OutputFolder,
    prompts: PromptPool = "clipn128",
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache what every prompt of a pool says of the classes of ID datasets, for ZPE."""
    from clipn.features.prompts import cache_prompt_features

    cache_prompt_features(backbone, names, datasets, prompts, index, caption_images, output, device, threads)


@features_app.command("words")
def chosen_words(file: Annotated[Path, typer.Argument(help="file that `clipn features negatives` wrote")]) -> None:
    """Print the words that were chosen, a line for each, in the order of their features."""
    from clipn.features.stored import read_chosen_words

    typer.echo("\n".join(read_chosen_words(file)))


@features_app.command("classifiers")
def classifiers(
    names: IDNames,
    datasets: Datasets,
    backbone: BackboneFile,
    prompts: Annotated[list[str], typer.Option(help="prompt pool, or a .txt file with a template per line; repeat")],
    output: Output,
    checkpoint: Annotated[list[str] | None, typer.Option(help="NAME:FILE of a run on this backbone; repeat")] = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache what the text towers of a backbone and its runs say of the classes of ID datasets."""
    from clipn.data.description import read_classes
    from clipn.evaluation.class_texts import cache_classifiers

    files = parse_named("--checkpoint", checkpoint or [], "NAME:FILE")
    runs = {name: Path(file) for name, file in files.items()}
    classes = {name: read_classes(datasets / name / "dataset.json") for name in names}
    cache_classifiers(backbone, runs, classes, prompts, output, device, threads)


@features_app.command("tower")
def tower_features(
    names: Names,
    registries: RegistryFiles,
    archives: Archives,
    datasets: Datasets,
    image_tower: TowerFile,
    output: OutputFolder,
    unpacked: UnpackedCopies = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache what an image tower says of the images of datasets, for all backbones on it."""
    from clipn.features.folders import DatasetFolders
    from clipn.features.tower import cache_tower_features

    folders = DatasetFolders(registries, archives, datasets, parse_copies(unpacked))
    cache_tower_features(image_tower, folders.by_output(names, output), device, threads)


@features_app.command("project")
def projected_features(
    names: Names,
    datasets: Datasets,
    backbone: BackboneFile,
    tower_features: Annotated[Path, typer.Option(help="folder with the tower's features, a file per dataset")],
    output: OutputFolder,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of datasets, from those of the locked image tower of a backbone."""
    from clipn.features.tower import project_image_features

    files = {
        output / f"{name}.safetensors": (datasets / name / "manifest.parquet", tower_features / f"{name}.safetensors")
        for name in names
    }
    project_image_features(backbone, files, device, threads)


@features_app.command("network")
def network_logits(
    names: Names,
    registries: RegistryFiles,
    archives: Archives,
    datasets: Datasets,
    model: Annotated[str, typer.Option(help="torchvision/NAME or timm/NAME, with .TAG where it has several weights")],
    weights: Annotated[Path, typer.Option(help="its weights: .safetensors, or .pth and the like with tensors alone")],
    output: OutputFolder,
    id_dataset: Annotated[
        list[str] | None, typer.Option(help="ID dataset whose classes it was trained on, to be compared; repeat")
    ] = None,
    unpacked: UnpackedCopies = None,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the logits that a network, which was trained on the classes of an ID dataset, gives images of datasets."""
    from clipn.data.description import read_classes
    from clipn.features.folders import DatasetFolders
    from clipn.features.network import cache_network_logits

    folders = DatasetFolders(registries, archives, datasets, parse_copies(unpacked))
    classes = {name: len(read_classes(datasets / name / "dataset.json")) for name in id_dataset or []}
    cache_network_logits(model, weights, folders.by_output(names, output), classes, device, threads)


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


@features_app.command("tower-captions")
def caption_tower_features(
    shards: Shards,
    index: ShardIndex,
    image_tower: TowerFile,
    output: Output,
    workers: Workers = 2,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache what an image tower says of the images of all captions."""
    from clipn.data.shards import ShardImages
    from clipn.features.tower import cache_caption_tower_features

    cache_caption_tower_features(image_tower, index, ShardImages(index, shards), output, workers, device, threads)


@features_app.command("project-captions")
def projected_caption_images(
    index: ShardIndex,
    backbone: BackboneFile,
    tower_features: Annotated[Path, typer.Option(help="the tower's features of the images of all captions")],
    output: Output,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Cache the image features of all captions, from those of the locked image tower of a backbone."""
    from clipn.features.tower import project_caption_images

    project_caption_images(backbone, index, tower_features, output, device, threads)


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
