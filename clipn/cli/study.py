"""`clipn study`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clipn.cli.data import REGISTRY
from clipn.cli.options import RegistryFile, StudyName
from clipn.cli.output import AsJson, console, print_json

study_app = typer.Typer(help="A study before and after it runs.", no_args_is_help=True)

BACKBONE = "ViT-B-16/laion2b_s34b_b88k"
"""That of the paper, and of the checkpoints that the authors released."""
RecordedFile = Annotated[Path | None, typer.Option(help="JSON; else config/recorded/STUDY.json")]


@study_app.callback()
def study() -> None:
    """A study before and after it runs."""


@study_app.command()
def new(
    name: Annotated[str, typer.Argument(help="name of the new study: config/studies/NAME.yaml")],
    id_datasets: Annotated[
        list[str],
        typer.Option(
            "--id", help="dataset of the registry; or folder or archive of images by class, or NAME=PATH; repeat"
        ),
    ],
    ood_datasets: Annotated[
        list[str], typer.Option("--ood", help="dataset of the registry; or folder or archive, or NAME=PATH; repeat")
    ],
    backbone: Annotated[
        str,
        typer.Option(help="ARCHITECTURE/TAG of config/weights.yaml, ARCHITECTURE:FILE of weights, or a backbone file"),
    ] = BACKBONE,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="of CLIPN on that backbone: file, or name of a record in config/weights.yaml; repeat"),
    ] = None,
    registry: RegistryFile = REGISTRY,
) -> None:
    """Write a commented study of datasets and folders of images; with folders, their registry config/NAME.yaml, too."""
    from clipn.study.new import NewStudy, write_study

    architecture = _architecture(Path(backbone))
    asked = NewStudy(name, id_datasets, ood_datasets, backbone, architecture, checkpoint or [], registry)
    table = f"results/tables/{next(iter(write_study(asked).pairs))}_ood.csv"
    typer.echo(f"config/studies/{name}.yaml: written; now: snakemake --cores 8 {table} --config study={name}")


def _architecture(backbone: Path) -> dict[str, Any] | None:
    """open_clip's configuration in the header of a backbone file of this project."""
    if backbone.suffix != ".safetensors" or not backbone.is_file():
        return None
    from clipn.model.tensors import mapping_in, read_metadata

    header = read_metadata(backbone)
    # A checkpoint of CLIPN has an architecture, too.
    is_backbone = str(header.get("format")).startswith("clipn-backbone-")
    return mapping_in(backbone, header, "architecture") if is_backbone else None


@study_app.command()
def plan(
    name: Annotated[str, typer.Argument(help="name of the study: config/studies/NAME.yaml")], as_json: AsJson = False
) -> None:
    """What a study takes when it starts from nothing: jobs, downloads, disk, and hours of a GPU."""
    from clipn.planning.plan import plan_study
    from clipn.planning.tables import as_mapping, tables

    made = plan_study(name)
    if as_json:
        print_json(as_mapping(made))
    else:
        console().print(tables(made))


@study_app.command()
def record(
    study: StudyName = None,
    file: Annotated[
        Path | None, typer.Option(help="JSON to write; else config/recorded/STUDY.json", writable=True)
    ] = None,
) -> None:
    """Write down the hashes of a finished study's files with numbers, and that this processor made them."""
    from clipn.provenance.recorded_files import record as record_files
    from clipn.study.loading import load_study

    typer.echo(f"{record_files(load_study(study), Path(), file)}: written")


@study_app.command()
def verify(study: StudyName = None, file: RecordedFile = None) -> None:
    """Say in one line whether a finished study's files with numbers are the recorded ones, or which is the first other.

    Ends with status 1 if they are not, though this processor, or two kinds of them, made the recorded ones.
    """
    from clipn.provenance.recorded_files import compare
    from clipn.study.loading import load_study

    found = compare(load_study(study), Path(), file)
    typer.echo(found)
    if found.fails:
        raise typer.Exit(1)
