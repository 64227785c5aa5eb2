"""Subcommands that list, fetch, prove and add datasets."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import options_from
from clipn.data.registry import DOWNLOADS, Reader
from clipn.demo.settings import Demo
from clipn.errors import ClipnError

data_app = typer.Typer(help="List, fetch, prove and add datasets and caption sources.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="datasets and caption sources; all if none is named")]
VerifiedNames = Annotated[
    list[str] | None, typer.Argument(help="datasets and caption sources; whatever is here if none is named")
]
RegistryFile = Annotated[Path, typer.Option(help="registry of datasets and caption sources")]
Archives = Annotated[Path, typer.Option(help="folder of the archives")]
Verified = Annotated[Path, typer.Option(help="folder with one folder per dataset for what was found")]
Mirror = Annotated[Path | None, typer.Option(help="shared folder of archives, read only, used in place")]
Unpacked = Annotated[Path | None, typer.Option(help="somebody's unpacked copy, in place of the first archive")]

REGISTRY = Path("config/datasets.yaml")
VERIFIED = DOWNLOADS / "verified"


@data_app.command("list")
def list_records(
    names: Annotated[list[str] | None, typer.Argument(help="show all that is known of these")] = None,
    registry: RegistryFile = REGISTRY,
) -> None:
    """Datasets and caption sources: how many images, how they come, whether they can be proven, on what terms."""
    from clipn.data.overview import details, listing
    from clipn.data.registry import load_registry

    known = load_registry(registry)
    typer.echo(details(known, names) if names else listing(known))


@data_app.command()
def status(
    names: Names = None,
    registry: RegistryFile = REGISTRY,
    archives: Archives = DOWNLOADS,
    verified: Verified = VERIFIED,
) -> None:
    """What is here, and how far it is proven."""
    from clipn.data.overview import statuses
    from clipn.data.registry import load_registry

    typer.echo(statuses(load_registry(registry), names, archives, verified, registry.parent))


@data_app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="datasets and caption sources")],
    file: Annotated[str | None, typer.Option(help="one archive of a single dataset")] = None,
    registry: RegistryFile = REGISTRY,
    archives: Archives = DOWNLOADS,
    mirror: Mirror = None,
    cleaning: Annotated[list[str] | None, typer.Option(help="cleaning list to fetch, too; repeat")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="archives at once")] = 4,
) -> None:
    """Fetch archives, check size and checksums, and show the status; run it again to go on after an interruption.

    What may not be fetched by a program is taken from downloads/, where a person puts it.
    """
    from clipn.data.download import FetchJob, fetch_archives
    from clipn.data.overview import statuses
    from clipn.data.registry import load_registry
    from clipn.progress import warn
    from clipn.yaml_models import named

    if file is not None and len(names) > 1:
        raise ClipnError(f"--file {file}: is of a single dataset; name one and not {', '.join(names)}")
    known = load_registry(registry)
    for key in cleaning or []:
        named(dict.fromkeys(known.cleaning_names), key, "cleaning list")
    chosen = {
        archive.file: (name, archive)
        for name in names
        for archive in ([known.archive(name, file)] if file is not None else known.archives(name, cleaning or []))
    }
    jobs = [FetchJob(name, archive, registry.parent, archives / archive.file) for name, archive in chosen.values()]
    try:
        fetch_archives(jobs, parallel, mirror=mirror)
    except KeyboardInterrupt:
        warn("interrupted; the same command goes on where it was")
        raise
    if file is None:
        typer.echo(statuses(known, names, archives, VERIFIED, registry.parent))


@data_app.command()
def verify(
    names: VerifiedNames = None,
    registry: RegistryFile = REGISTRY,
    archives: Archives = DOWNLOADS,
    output: Verified = VERIFIED,
    unpacked: Unpacked = None,
    cleaning: Annotated[list[str] | None, typer.Option(help="cleaning list to mark images by; repeat")] = None,
) -> None:
    """Prove archives by checksum or file list, decode every image, and write the manifests; then show the status.

    Without names: whatever is here.
    """
    from clipn.data.overview import present, statuses
    from clipn.data.registry import load_registry
    from clipn.data.verify import verify_record

    known = load_registry(registry)
    if unpacked is not None and len(names or []) != 1:
        raise ClipnError("--unpacked: is a copy of one dataset; name that one, and no other")
    chosen = names or present(known, archives, registry.parent)
    failures = []
    for name in chosen:
        try:
            verify_record(name, known, archives, registry.parent, output / name, unpacked, cleaning or [])
        except ClipnError as error:
            failures.append(str(error))
    typer.echo(statuses(known, chosen, archives, output, registry.parent))
    if failures:
        raise ClipnError("; ".join(failures))


@data_app.command()
def add(
    name: Annotated[str, typer.Argument(help="name of the new dataset")],
    path: Annotated[
        Path, typer.Argument(help="folder, archive, or folder of WebDataset shards; a folder is used in place")
    ],
    title: Annotated[str | None, typer.Option(help="name in tables and figures; else NAME")] = None,
    reader: Annotated[Reader | None, typer.Option(help="layout; else found out")] = None,
    file_list: Annotated[Path | None, typer.Option(help="text file, `path` or `path label` per line")] = None,
    registry: RegistryFile = REGISTRY,
) -> None:
    """Write a record of your own images into a registry: layout, number, and hash of the file list."""
    from clipn.data.add import add_dataset

    record = add_dataset(registry, name, path, title or name, reader, file_list)
    first = f"clipn data fetch {name} && " if record.archives else ""
    typer.echo(f"{name}: {record.images:,} images, reader {record.reader}; now: {first}clipn data verify {name}")


@options_from(Demo)
def demo(folder: Annotated[Path, typer.Argument(help="mirror to fill")], settings: Demo) -> None:
    """Generate the demo's nine datasets and captions in the official archive formats."""
    from clipn.demo.mirror import build_mirror

    build_mirror(folder, settings.seed, settings.captions, settings.images)
