"""The report as one HTML page that needs nothing but itself."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clipn.report.formatting import MISSING
from clipn.report.page.rendering import render
from clipn.report.tables.printed import PrintedTable


@dataclass(frozen=True)
class Picture:
    """A figure: what it is about, its PNG bytes, and what it shows, for those who cannot see it, too."""

    group: str
    png: bytes
    caption: str


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

    `ood` maps each ID dataset to its table of `clipn.report.tables.layouts.printed_ood`, whose cells hold two numbers;
    `verdict` says how the comparison with recorded or published numbers came out; `settings` is the study as YAML text,
    `settings_hash` its sha256; `arithmetic` says which kernels computed, `differences` which files other ones or other
    libraries made, if any; `titles` gives printed names of datasets.
    """

    study: str
    verdict: str
    summary: str
    settings: str
    settings_hash: str
    arithmetic: str
    ood: Mapping[str, PrintedTable]
    sections: Sequence[Section]
    pictures: Sequence[Picture]
    sources: Sequence[Source]
    weights: Sequence[Weights]
    captions: Sequence[CaptionCopy]
    versions: Mapping[str, str]
    commands: Sequence[str]
    titles: Mapping[str, str] = field(default_factory=dict)
    differences: str = ""


def page(context: Context) -> str:
    """Render the report; the same context gives the same text."""
    # Figures of one ID dataset stand together, in order of first appearance.
    groups: dict[str, list[Picture]] = defaultdict(list)
    for picture in context.pictures:
        groups[picture.group].append(picture)
    return render(
        "page.html.jinja",
        context=context,
        title_of=lambda name: context.titles.get(name, name),
        missing=MISSING,
        groups=groups,
        # Inside the page, so that it can be sent or archived as one file.
        data_address=lambda png: f"data:image/png;base64,{b64encode(png).decode('ascii')}",
    )
