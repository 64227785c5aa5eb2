"""The page of all studies as one HTML file that needs nothing but itself."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from clipn.data.registry import OFFICIAL
from clipn.files import write_text
from clipn.provenance.leaderboard.studies import TracedStudy, read_studies
from clipn.provenance.records import JobRecord
from clipn.provenance.trace import SHORT, TracedFile
from clipn.provenance.trace_tree import summary
from clipn.report.formatting import MISSING, convention_sentence, dataset_title, fixed, method_title
from clipn.report.leaderboard import Entry, ImageSet, Leaderboard, Measured, Protocol, leaderboard
from clipn.report.page.rendering import render
from clipn.scores import FITTED, IMPORTED, PLAIN_CLIP

Job = tuple[str, str | None, tuple[str, ...]]
"""Rule, command and inputs of a job, which all files have in common that it made."""


@dataclass(frozen=True)
class Counts:
    """What the page shows, and the studies that it does not, with the reason for each."""

    studies: int
    tables: int
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Traces:
    """Where the page says what is behind the numbers of a study: anchors, which are numbers and no names from data.

    Attributes:
        number: of the study on the page.
        study: the study.
    """

    number: int
    study: TracedStudy

    @cached_property
    def metrics(self) -> dict[tuple[str, ...], int]:
        """Number of each distinct set of metrics files that entries come from."""
        found = dict.fromkeys(tuple(self.study.metrics_of(entry)) for _, entry in self.study.entries)
        return {paths: number for number, paths in enumerate(found, 1)}

    @cached_property
    def files(self) -> dict[str, int]:
        """Number of each file."""
        return {path: number for number, path in enumerate(self.study.files, 1)}

    @cached_property
    def jobs(self) -> dict[Job, JobRecord]:
        """A record of each job, that of the table first."""
        records = [file.record for file in self.study.files.values() if file.record]
        return {_job(record): record for record in records}

    def of_entry(self, entry: Entry) -> str:
        """Anchor of what is behind an entry."""
        return f"trace-{self.number}-{self.metrics[tuple(self.study.metrics_of(entry))]}"

    def of_file(self, path: str) -> str:
        """Anchor of a file."""
        return f"file-{self.number}-{self.files[path]}"

    def of_job(self, record: JobRecord) -> str:
        """Anchor of the job that a record tells of."""
        return f"job-{self.number}-{[*self.jobs].index(_job(record)) + 1}"


def write_leaderboard(root: Path, output: Path) -> Counts:
    """Write the page of all studies in the project `root`.

    Raises:
        ClipnError: there is no study.
    """
    studies, left_out = read_studies(root)
    board = leaderboard(entry for study in studies for entry in study.entries)
    write_text(output, page(board, studies, left_out, output.parent))
    return Counts(len(studies), len(board), left_out)


def page(board: Leaderboard, studies: Sequence[TracedStudy], left_out: Mapping[str, str], folder: Path) -> str:
    """The page; the same files give the same text.

    Args:
        board: all that is shown.
        studies: that it is of.
        left_out: why other studies are not shown, by name.
        folder: where the page goes, from where it links to the pages of the studies.
    """
    titles: dict[ImageSet, str] = {}
    for study in studies:
        for protocol, _ in study.entries:
            for images in protocol.image_sets:
                titles.setdefault(images, dataset_title(images.name, study.titles))
    generated = frozenset[ImageSet]().union(*(study.generated for study in studies))
    by_id: dict[ImageSet, list[Protocol]] = {}
    for protocol in board:
        by_id.setdefault(protocol.id, []).append(protocol)
    return render(
        "leaderboard.html.jinja",
        board=board,
        by_id=by_id,
        traces={study.name: Traces(number, study) for number, study in enumerate(studies, 1)},
        left_out=left_out,
        titles=titles,
        is_generated=lambda image_sets: not generated.isdisjoint(image_sets),
        conditions=lambda protocol: _conditions(protocol, titles),
        address=lambda study: quote(os.path.relpath(study.page, folder)) if study.page else None,
        interval=_interval,
        fixed=lambda value: fixed(value) or MISSING,
        method_title=method_title,
        kind=_kind,
        summary=summary,
        notes=_notes,
        missing=MISSING,
    )


def _job(record: JobRecord) -> Job:
    return record.rule, record.shell, tuple(record.inputs)


def _conditions(protocol: Protocol, titles: Mapping[ImageSet, str]) -> str:
    """What the numbers of a table have in common."""
    parts = ((titles[found], f"{found.manifest:.{SHORT}}", found.shrink) for found in protocol.image_sets)
    images = "; ".join(" ".join(filter(None, part)) for part in parts)
    version = "" if protocol.ood_version == OFFICIAL else f" Image list of the OOD sets: {protocol.ood_version}."
    return (
        f"{convention_sentence(protocol.convention)}{version} Images, by the sha256 of their manifests: {images}. "
        f"Arithmetic: {protocol.arithmetic}."
    )


def _kind(entry: Entry) -> str:
    """What a method works on."""
    if entry.prompts == IMPORTED:
        return "scores of others"
    if entry.variant.startswith(FITTED):
        return "training images of the ID classes"
    return "plain CLIP" if entry.variant == PLAIN_CLIP else "“no” tower"


def _notes(file: TracedFile) -> str:
    """What else is known of a file."""
    away = "not here" if file.sha256 and not file.here else None
    accepted = [f"accepted: {change}" for change in file.record.accepted] if file.record else []
    origin = f"from {file.origin}" if file.origin else None
    return ", ".join(filter(None, [file.verification, origin, away, *accepted, *file.faults]))


def _interval(measured: Measured) -> str:
    """Bounds of the interval, or a dash where nothing was resampled."""
    low, high = fixed(measured.low), fixed(measured.high)
    return f"[{low}, {high}]" if low else MISSING
