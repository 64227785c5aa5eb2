"""Subcommands about what would be rebuilt."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import StudyName
from clipn.cli.output import AsJson, console, print_json

Targets = Annotated[
    list[str], typer.Argument(help="results, e.g. results/tables/imagenet_ood.csv, or `all`, `imagenet_ood`, ...")
]
Overlays = Annotated[
    list[Path] | None, typer.Option("--configfile", help="overlay, as for `snakemake --configfile`; repeat")
]


def why(
    targets: Targets,
    study: StudyName = None,
    configfile: Overlays = None,
    as_json: AsJson = False,
) -> None:
    """Why results would be rebuilt: which setting, which module, which file; and whether libraries differ in them."""
    from clipn.provenance.records import made_with, read_records
    from clipn.provenance.why import arithmetic_notes, as_mapping, reasons, text
    from clipn.study.snakemake import Request, planned

    with planned(Request(targets, study, configfile or [])) as plan:
        found = reasons(plan.jobs, Path())
        rebuilt = {path for job in plan.jobs for path in job.outputs}
        kept = made_with([path for path in plan.outputs if path not in rebuilt], read_records(Path()), Path())
    name = " ".join(targets)
    if as_json:
        print_json(as_mapping(name, found) | {"made_with": kept})
    else:
        typer.echo("\n".join([text(name, found), *arithmetic_notes(kept, bool(found))]))


def accept(targets: Targets, study: StudyName = None, configfile: Overlays = None) -> None:
    """Declare that results, and all behind them, hold although settings or code changed; their records say so."""
    from clipn.provenance.accept import accept as accept_results
    from clipn.study.snakemake import Request

    accepted = accept_results(Request(targets, study, configfile or []), Path())
    causes = sorted({cause for found in accepted.values() for cause in found})
    typer.echo(f"accepted: {len(accepted)} files" + "".join(f"\n  {cause}" for cause in causes))


def finished() -> None:
    """Whether everything of the active study is made; ends with status 1 if not. A `dvc repro` asks for every stage."""
    from clipn.provenance.finished import finished as all_finished

    if not all_finished(Path()):
        raise typer.Exit(1)
    typer.echo("finished: Snakemake has nothing to do")


def trace(
    file: Annotated[Path, typer.Argument(help="a result, e.g. results/tables/imagenet_ood.csv")],
    everything: Annotated[bool, typer.Option("--all", help="write out every file, also of many alike")] = False,
    as_json: AsJson = False,
) -> None:
    """What a result was made from, back to the archives: files, rules, hashes, and what no longer agrees.

    A file is hashed again only when its size, inode or a time changed.
    """
    from clipn.provenance.trace import trace as trace_file
    from clipn.provenance.trace_tree import nested, summary, tree

    made = trace_file(file, Path())
    target = next(iter(made))
    if as_json:
        print_json(nested(made, target))
        return
    out = console()
    out.print(tree(made, target, everything))
    out.print(summary(made))
