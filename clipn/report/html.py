"""The report as one HTML page that needs nothing but itself."""

from base64 import b64encode
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clipn.report.wide import layout
from clipn.report.words import MISSING, method_title, spread


@dataclass(frozen=True)
class Picture:
    """A figure: its PNG bytes, what it shows (caption), and the same for those who cannot see it (alt)."""

    png: bytes
    caption: str
    alt: str


@dataclass(frozen=True)
class Source:
    """Where one dataset came from; a dataset of several archives takes one entry for each."""

    dataset: str
    rows: int
    archive: str
    sha256: str
    proof: str


@dataclass(frozen=True)
class CaptionCopy:
    """How many samples this copy of a caption source has; `paper`: those that the paper trained on, if known."""

    source: str
    captions: int
    samples: int
    paper: int | None


@dataclass(frozen=True)
class Context:
    """Everything the page shows, as plain data.

    `ood` maps each ID dataset to its `ood_table`; `decisions` and `id_accuracy` are those of
    `clipn.report.tables`; `settings` is the study as YAML text; `titles` gives printed names of datasets.
    """

    study: str
    summary: str
    settings: str
    ood: Mapping[str, pd.DataFrame]
    decisions: pd.DataFrame
    id_accuracy: pd.DataFrame
    pictures: Sequence[Picture]
    sources: Sequence[Source]
    captions: Sequence[CaptionCopy]
    versions: Mapping[str, str]
    commands: Sequence[str]
    titles: Mapping[str, str] = field(default_factory=dict)


def page(context: Context) -> str:
    """Render the report; the same context gives the same text.

    Raises:
        ClipnError: an OOD table mixes studies, ID datasets or conventions.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.jinja").render(
        context=context,
        title_of=lambda name: context.titles.get(name, name),
        wides={name: layout(table, context.titles) for name, table in context.ood.items()},
        decisions={
            name: _records(rows, ("id_accepted", "ood_rejected", "balanced_accuracy"))
            for name, rows in context.decisions.groupby("id", sort=False)
        },
        accuracies=_records(context.id_accuracy, ("top1",)),
        method_title=method_title,
        missing=MISSING,
        data_address=lambda png: f"data:image/png;base64,{b64encode(png).decode('ascii')}",
    )


def _records(table: pd.DataFrame, measures: Sequence[str]) -> list[dict[Hashable, Any]]:
    """Rows with each measure written as `mean ± SD`."""
    return [row | {name: spread(row[name], row[f"{name}_sd"]) for name in measures} for row in table.to_dict("records")]
