"""The report as one HTML page that needs nothing but itself."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clipn.report.formatting import HEADINGS, MISSING, fixed
from clipn.report.page.rendering import render
from clipn.report.page.standings import Standing, scale_start
from clipn.report.page.traces import Trace
from clipn.report.tables.printed import Cell, PrintedTable

OOD = "ood"
"""Anchor of the section with the tables of OOD detection."""

_LONG = 15
"""Lines of a table from which on it opens on a click only."""


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        heading: its name.
        caption: what it shows, for those who cannot see it, too.
        section: anchor of the section that it stands in, if there is one; else it stands after all tables.
        png: its bytes.
        id_dataset: whose table it stands below in the section `OOD`.
        photographs: whether it shows images of datasets, whose colours must stay as they are.
    """

    heading: str
    caption: str
    section: str
    png: bytes
    id_dataset: str = ""
    photographs: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: anchor, heading, a sentence or two, and tables, which may be folded away."""

    anchor: str
    heading: str
    note: str
    tables: Sequence[PrintedTable]
    folded: str = ""
    """What the tables are, where they open on a click only."""


@dataclass(frozen=True)
class Source:
    """Where one dataset came from; a dataset of several archives takes one entry for each."""

    dataset: str
    rows: int
    archive: str
    sha256: str
    proof: str


@dataclass(frozen=True)
class Weights:
    """A backbone or a checkpoint of the study, and its sha256."""

    name: str
    sha256: str


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

    `standings` are the methods of each ID dataset, best first; `ood` maps each ID dataset to its table of
    `clipn.report.tables.layouts.printed_ood`, whose cells hold two numbers; `traces` are what is behind them; `verdict`
    says how the comparison with recorded or published numbers came out; `settings` is the study as YAML text,
    `settings_hash` its sha256; `arithmetic` says which kernels computed, `differences` which files other ones or other
    libraries made, if any; `titles` gives printed names of datasets.
    """

    study: str
    verdict: str
    summary: Sequence[str]
    settings: str
    settings_hash: str
    arithmetic: str
    standings: Mapping[str, Sequence[Standing]]
    ood: Mapping[str, PrintedTable]
    sections: Sequence[Section]
    pictures: Sequence[Picture]
    traces: Sequence[Trace]
    sources: Sequence[Source]
    weights: Sequence[Weights]
    captions: Sequence[CaptionCopy]
    versions: Mapping[str, str]
    commands: Sequence[str]
    titles: Mapping[str, str] = field(default_factory=dict)
    differences: str = ""


def page(context: Context) -> str:
    """Render the report; the same context gives the same text."""
    anchors = {OOD, *(section.anchor for section in context.sections)}
    beside: dict[tuple[str, str], list[Picture]] = defaultdict(list)
    for picture in context.pictures:
        section = picture.section if picture.section in anchors else ""
        beside[section, picture.id_dataset if section == OOD else ""].append(picture)
    return render(
        "page.html.jinja",
        context=context,
        title_of=lambda name: context.titles.get(name, name),
        missing=MISSING,
        fixed=fixed,
        scale_start=scale_start,
        pictures_of=lambda section, id_dataset="": beside.get((section, id_dataset), []),
        trace_of=lambda table, line: _trace_anchor(table, line, context.traces),
        is_long=lambda table: len(table.lines) > _LONG,
        # Inside the page, so that it can be sent or archived as one file.
        data_address=lambda png: f"data:image/png;base64,{b64encode(png).decode('ascii')}",
    )


def _trace_anchor(table: PrintedTable, line: Sequence[Cell], traces: Sequence[Trace]) -> str | None:
    """Anchor of what is behind a line that names its backbone and variant; None for another one."""
    texts = {heading: cell.parts[0][0] for heading, cell in zip(table.labels, line, strict=False)}
    names = [texts.get(HEADINGS[column]) for column in ("backbone", "variant")]
    numbers = (number for number, trace in enumerate(traces, 1) if [trace.backbone, trace.variant] == names)
    return next((f"trace-{number}" for number in numbers), None)
