"""Subcommands about what would be made anew."""

from pathlib import Path
from typing import Annotated

import typer

Targets = Annotated[
    list[str], typer.Argument(help="results, e.g. results/tables/imagenet_ood.csv, or `all`, `imagenet_ood`, ...")
]
StudyName = Annotated[str | None, typer.Option("--study", help="instead of the one in config/config.yaml")]
Overlays = Annotated[
    list[Path] | None, typer.Option("--configfile", help="overlay, as for `snakemake --configfile`; repeat")
]


def why(
    targets: Targets,
    study: StudyName = None,
    configfile: Overlays = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Why results would be made anew: which setting, which module, which file."""
    import json

    from clipn.planned import Request, planned
    from clipn.why import reasons
    from clipn.why_text import as_mapping, text

    with planned(Request(targets, study, configfile or [])) as plan:
        found = reasons(plan.jobs, Path())
    name = " ".join(targets)
    typer.echo(json.dumps(as_mapping(name, found), indent=2) if as_json else text(name, found))


def accept(targets: Targets, study: StudyName = None, configfile: Overlays = None) -> None:
    """Declare that results, and all behind them, hold although settings or code changed; their records say so."""
    from clipn.accept import accept as accept_results
    from clipn.planned import Request

    accepted = accept_results(Request(targets, study, configfile or []), Path())
    causes = sorted({cause for found in accepted.values() for cause in found})
    typer.echo(f"accepted: {len(accepted)} files" + "".join(f"\n  {cause}" for cause in causes))
