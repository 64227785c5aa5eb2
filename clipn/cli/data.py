"""Subcommands that list, fetch, verify and add datasets."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import RegistryFile, Unpacked
from clipn.data.registry import DOWNLOADS, Reader
from clipn.errors import ClipnError

data_app = typer.Typer(help="List, fetch, verify and add datasets and caption sources.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="datasets and caption sources; all if none is named")]
VerifiedNames = Annotated[
    list[str] | None, typer.Argument(help="datasets and caption sources; whatever is here if none is named")
]
Archives = Annotated[Path, typer.Option(help="folder of the archives")]
Verified = Annotated[Path, typer.Option(help="folder with one folder per dataset for what was found")]
Mirror = Annotated[Path | None, typer.Option(help="shared folder of archives, read only, used in place")]

REGISTRY = Path("config/datasets.yaml")
VERIFIED = DOWNLOADS / "verified"


@data_app.command("list")
def list_records(
    names: Annotated[list[str] | None, typer.Argument(help="show all that is known of these")] = None,
    registry: RegistryFile = REGISTRY,
) -> None:
    """Datasets and caption sources: how many images, how they come, whether a checksum is published, on what terms."""
    from clipn.data.overview import details, listing
    from clipn.data.registry import load_registry

    records = load_registry(registry)
    typer.echo(details(records, names) if names else listing(records))


@data_app.command()
def status(
    names: Names = None,
    registry: RegistryFile = REGISTRY,
    archives: Archives = DOWNLOADS,
    verified: Verified = VERIFIED,
) -> None:
    """What is here, and how far it is verified."""
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
    """Fetch archives, check size and checksums, and show the status; run it again to resume after an interruption.

    What may not be fetched by a program is taken from downloads/, where a person puts it. In another folder of
    archives there are links to downloads/.
    """
    from clipn.data.fetch import fetch_records
    from clipn.data.overview import statuses
    from clipn.data.registry import load_registry

    records = load_registry(registry)
    fetch_records(names, records, archives, registry.parent, file, cleaning or [], parallel, mirror)
    if file is None:
        typer.echo(statuses(records, names, archives, VERIFIED, registry.parent))


@data_app.command()
def verify(
    names: VerifiedNames = None,
    registry: RegistryFile = REGISTRY,
    archives: Archives = DOWNLOADS,
    output: Verified = VERIFIED,
    unpacked: Unpacked = None,
    cleaning: Annotated[list[str] | None, typer.Option(help="cleaning list to mark images by; repeat")] = None,
) -> None:
    """Verify archives by checksum or file list, decode every image, and write the manifests; then show the status.

    Without names: whatever is here.
    """
    from clipn.data.overview import statuses
    from clipn.data.registry import load_registry
    from clipn.data.verify import verify_records

    records = load_registry(registry)
    verified = verify_records(names, records, archives, registry.parent, output, unpacked, cleaning or [])
    typer.echo(statuses(records, verified.names, archives, output, registry.parent))
    if verified.errors:
        raise ClipnError("; ".join(verified.errors))


@data_app.command()
def add(
    name: Annotated[str, typer.Argument(help="name of the new dataset")],
    path: Annotated[
        Path, typer.Argument(help="folder, archive, or folder of WebDataset shards; a folder is used in place")
    ],
    title: Annotated[str | None, typer.Option(help="name in tables and figures; else NAME")] = None,
    reader: Annotated[Reader | None, typer.Option(help="layout; else found out")] = None,
    file_list: Annotated[Path | None, typer.Option(help="text file, `path` or `path label` per line")] = None,
    registry: Annotated[Path, typer.Option(help="registry to write the record into", writable=True)] = REGISTRY,
) -> None:
    """Write a record of your own images into a registry: layout, number, and hash of the file list."""
    from clipn.data.add import add_dataset

    record = add_dataset(registry, name, path, title or name, reader, file_list)
    named = f"{name} --registry {shlex.quote(str(registry))}" if registry != REGISTRY else name
    first = f"clipn data fetch {named} && " if record.archives else ""
    typer.echo(f"{name}: {record.images:,} images, reader {record.reader}; now: {first}clipn data verify {named}")
