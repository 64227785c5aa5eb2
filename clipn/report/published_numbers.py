"""The typed record of every published or recorded number, and how near a measured one must come to agree with it."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.features.stored import WORD_FEATURES
from clipn.metrics import CONVENTION, CONVENTIONS
from clipn.report.formatting import AVERAGE, method_title
from clipn.scores import PLAIN_CLIP, SCORES
from clipn.text.prompts import prompt_pool
from clipn.yaml_models import FileName, Name, Record, load_records

Text = Annotated[str, Field(pattern=r"\S")]
Measure = Literal["auroc", "fpr95"]
MEASURES: tuple[Measure, ...] = ("auroc", "fpr95")
"""Measures of a cell, in order."""
RECORDED = "recorded"
"""Kind of the numbers that this pipeline recorded itself."""
MethodKind = Literal["zero-shot", "words", "language model", "trained", "test-time"]
METHOD_KINDS: tuple[MethodKind, ...] = get_args(MethodKind)
"""What methods need beside the names of the classes, from nothing to the test images; in the order of tables."""
DECIMALS = 6
"""Of a recorded percentage: a single pair of images that change places shows in a mean over seeds and OOD sets."""


def _percentage(value: float) -> float:
    if not 0 <= value <= 100:
        raise ValueError("a percentage lies between 0 and 100; correct it")
    return value


Percent = Annotated[float, AfterValidator(_percentage)]
Figures = Annotated[list[Percent], Field(min_length=1, max_length=2)]


class Tolerance(Record):
    """Largest difference in percentage points that counts as agreement: stated, or from the published runs."""

    auroc: float | None = Field(default=None, ge=0, description="AUROC points")
    fpr95: float | None = Field(default=None, ge=0, description="FPR95 points")
    deviations: float | None = Field(
        default=None,
        gt=0,
        description="instead of points: sample standard deviations of the cell over the entries that have `run`",
    )
    reason: Text = Field(description="why so much")

    @model_validator(mode="after")
    def _one_way(self) -> "Tolerance":
        stated = [points is not None for points in (self.auroc, self.fpr95)]
        if any(stated) != all(stated) or any(stated) == (self.deviations is not None):
            raise ValueError("give either `auroc` and `fpr95`, or `deviations`")
        return self

    def points(self, measure: Measure) -> float | None:
        """Stated points; None when they follow from the runs."""
        return self.auroc if measure == "auroc" else self.fpr95


class PublishedMethod(Record):
    """A method that this pipeline lacks, or never compares, or of which its needs here do not tell the kind."""

    title: Text = Field(description="printed name")
    kind: MethodKind = Field(
        description="what it needs beside the names of the classes: nothing; words of a list; words by a language "
        "model; training on images; the test images, which it adapts to"
    )


class Cells(Record):
    """One row of numbers: a method against several OOD sets of one ID dataset."""

    id: Name = Field(description="ID dataset")
    method: str = Field(description="a method of this pipeline, or one of `methods`")
    cells: dict[Name, Figures] = Field(
        min_length=1, description="OOD dataset or `average` -> AUROC, FPR95 in percent; FPR95 may be absent"
    )

    def values(self) -> Iterator[tuple[str, Measure, float]]:
        """OOD set, measure and percentage of every known number, in order."""
        for ood, figures in self.cells.items():
            # Not strict: many sources print AUROC alone.
            for measure, value in zip(MEASURES, figures, strict=False):
                yield ood, measure, value

    def value(self, ood: str, measure: Measure) -> float | None:
        """The percentage, or None; an average that is not printed is the mean of the cells."""
        if ood == AVERAGE and AVERAGE not in self.cells:
            values = [value for _, kind, value in self.values() if kind == measure]
            return statistics.fmean(values) if len(values) == len(self.cells) else None
        return next((value for name, kind, value in self.values() if (name, kind) == (ood, measure)), None)


class Entry(Cells):
    """One published row: a method on a backbone against several OOD sets."""

    kind: Literal["paper", "readme", "restated"] = Field(
        description="read in the paper's abstract; in the authors' README; restated or rerun by others"
    )
    backbone: str = Field(pattern=r"^[^/\s]+/[^/\s]+$", description="ARCHITECTURE/TAG")
    source: Text = Field(description="where the numbers are printed")
    run: int | None = Field(default=None, ge=0, description="number of a single run; compares with that seed")
    runs: int | None = Field(
        default=None, ge=1, description="runs in a mean; compares with a mean over at least so many"
    )
    prompts: str | None = Field(default=None, description="prompt pool; empty when it is not known")
    ood_version: Name = Field(default=OFFICIAL, description="image lists of the OOD sets; only `official` is compared")
    convention: Name = Field(default=CONVENTION, description="reading of FPR95")
    variants: list[str] = Field(default=[], description="names of a study's variants that it may meet; empty: any")
    compare: dict[str, str] = Field(default={}, description="study -> name of a tolerance")

    @field_validator("kind", mode="before")
    @classmethod
    def _known_kind(cls, kind: object) -> object:
        kinds = ("paper", "readme", "restated", RECORDED)
        if kind not in kinds:
            raise ValueError(f"no such kind; choose among {', '.join(kinds)}")
        return kind

    @field_validator("prompts")
    @classmethod
    def _readable_pool(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                prompt_pool(name)
            except ClipnError as error:
                raise ValueError(str(error)) from error
        return name

    @field_validator("convention")
    @classmethod
    def _known_convention(cls, name: str) -> str:
        if name not in CONVENTIONS:
            raise ValueError(f"no such convention; choose among {', '.join(CONVENTIONS)}")
        return name

    @model_validator(mode="after")
    def _one_run_or_a_mean(self) -> "Entry":
        if self.run is not None and self.runs is not None:
            raise ValueError("give either `run` or `runs`")
        return self

    @model_validator(mode="after")
    def _official_lists_are_compared(self) -> "Entry":
        if self.compare and self.ood_version != OFFICIAL:
            raise ValueError(f"compare: only `ood_version: {OFFICIAL}` is compared; leave it out")
        return self

    @property
    def identity(self) -> tuple[object, ...]:
        """What no other entry may share."""
        lists_and_reading = self.ood_version, self.convention
        return self.id, *lists_and_reading, self.backbone, self.method, self.source, self.run, self.prompts


class RecordedEntry(Cells):
    """One row that a study of this pipeline measured and `clipn published record` kept, as means over its seeds."""

    kind: Literal["recorded"] = Field(description="measured by this pipeline")
    study: FileName = Field(description="name of the study; compares with this one alone")
    commit: str = Field(
        pattern=r"^[0-9a-f]{7,40}(-dirty)?$", description="code that measured it; -dirty: with changes on top"
    )
    machine: Text = Field(description="processor that measured it")
    tolerance: Name = Field(description="name of a tolerance, for the study run again on another processor")
    backbone: FileName = Field(description="as the study calls it")
    variant: FileName = Field(description=f"as the study calls it; `{PLAIN_CLIP}` for methods on plain CLIP")
    prompts: Text = Field(description="name of the prompt pool")
    runs: int = Field(ge=1, description="seeds in the mean; compares with a mean over just as many")

    run: ClassVar[None] = None
    """A mean is no single run."""
    ood_version: ClassVar[str] = OFFICIAL
    convention: ClassVar[str] = CONVENTION

    @field_validator("method")
    @classmethod
    def _registered_method(cls, method: str) -> str:
        if method not in SCORES:
            raise ValueError(f"no such method; choose among {', '.join(SCORES)}")
        return method

    @model_validator(mode="after")
    def _variant_of_method(self) -> "RecordedEntry":
        if SCORES[self.method].needs_no == (self.variant == PLAIN_CLIP):
            rule = "needs a variant with a “no” tower" if self.variant == PLAIN_CLIP else f"has variant `{PLAIN_CLIP}`"
            raise ValueError(f"variant: {self.method} {rule}; correct it")
        return self

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return f"commit {self.commit} on {self.machine}"

    @property
    def compare(self) -> dict[str, str]:
        """As of `Entry`."""
        return {self.study: self.tolerance}

    @property
    def identity(self) -> tuple[object, ...]:
        """What no other entry may share."""
        return self.study, self.id, self.backbone, self.variant, self.prompts, self.method


def _of_its_kind(value: object) -> object:
    """Check an entry against the one model that it must be, so that an error speaks of that model."""
    if not isinstance(value, dict):
        return value
    return (RecordedEntry if value.get("kind") == RECORDED else Entry).model_validate(value)


AnyEntry = Entry | RecordedEntry


class PublishedNumbers(Record):
    """All published and recorded numbers, and the tolerances they name."""

    tolerances: dict[Name, Tolerance] = Field(default={}, description="by name")
    methods: dict[Name, PublishedMethod] = Field(
        default={},
        description="by name: methods that this pipeline lacks, or never compares, or whose kind must be said",
    )
    entries: list[Annotated[AnyEntry, BeforeValidator(_of_its_kind)]] = Field(
        default=[], description="in the order of the comparison table"
    )

    @field_validator("entries")
    @classmethod
    def _distinct(cls, entries: list[AnyEntry]) -> list[AnyEntry]:
        seen: dict[tuple[object, ...], int] = {}
        for index, entry in enumerate(entries):
            first = seen.setdefault(entry.identity, index)
            if first != index:
                raise ValueError(f"{index} repeats {first} ({entry.method}, {entry.source}); merge them or remove one")
        return entries

    @field_validator("entries")
    @classmethod
    def _methods_exist(cls, entries: list[AnyEntry], info: ValidationInfo) -> list[AnyEntry]:
        known = {**SCORES, **info.data.get("methods", {})}
        for index, entry in enumerate(entries):
            if entry.method not in known:
                names = ", ".join(known)
                raise ValueError(
                    f"{index}.method: no such method {entry.method!r}; choose among {names}, or enter it in `methods`"
                )
        return entries

    @field_validator("entries")
    @classmethod
    def _tolerances_exist(cls, entries: list[AnyEntry], info: ValidationInfo) -> list[AnyEntry]:
        # Absent where `tolerances` is itself wrong; pydantic then has already told why.
        tolerances: dict[str, Tolerance] = info.data.get("tolerances", {})
        for index, entry in enumerate(entries):
            for study, name in entry.compare.items():
                if name not in tolerances:
                    names = ", ".join(tolerances) or "none"
                    raise ValueError(f"{index}.compare.{study}: no tolerance {name!r}; `tolerances` has {names}")
                if tolerances[name].deviations is None:
                    continue
                # A deviation takes two runs. Said here, as later it would stop a study after its measurements.
                cells = ((ood, measure) for ood, measure, _ in entry.values())
                few = [cell for cell in cells if len(_over_runs(entries, entry, *cell)) < 2]
                if few:
                    ood, measure = few[0]
                    raise ValueError(
                        f"{index}.compare.{study}: tolerance {name!r} needs two entries with `run` that have "
                        f"{measure} of {ood}; add them or name another tolerance"
                    )
        return entries

    def method_kind(self, method: str) -> MethodKind | None:
        """What a method needs; None: it is neither of this pipeline nor among `methods`."""
        if method in self.methods:
            return self.methods[method].kind
        if method not in SCORES:
            return None
        if SCORES[method].needs_no:
            return "trained"
        return "words" if method in WORD_FEATURES else "zero-shot"

    def kind_order(self, method: str) -> int:
        """Place of a method's kind in `METHOD_KINDS`; behind all of them where it is not known."""
        kind = self.method_kind(method)
        return METHOD_KINDS.index(kind) if kind else len(METHOD_KINDS)

    def method_title(self, method: str) -> str:
        """Printed name of a method."""
        return self.methods[method].title if method in self.methods else method_title(method)

    @property
    def studies(self) -> set[str]:
        """Every study that some number of others can be compared with."""
        return {study for entry in self.entries if isinstance(entry, Entry) for study in entry.compare}

    def recorded(self, study: str) -> list[RecordedEntry]:
        """What is recorded of a study."""
        return [entry for entry in self.entries if isinstance(entry, RecordedEntry) and entry.study == study]

    def tolerance(self, entry: AnyEntry, study: str, ood: str, measure: Measure) -> float:
        """Percentage points by which a number of `study` may differ from the entry's, which must name the study."""
        allowed = self.tolerances[entry.compare[study]]
        points = allowed.points(measure)
        if allowed.deviations is None:
            # `_one_way` has refused a tolerance with neither points nor deviations.
            assert points is not None
            return points
        return allowed.deviations * statistics.stdev(_over_runs(self.entries, entry, ood, measure))


def _over_runs(entries: Sequence[AnyEntry], entry: AnyEntry, ood: str, measure: Measure) -> list[float]:
    """A cell of the entry's ID dataset, backbone and method in every published single run."""
    values = [
        other.value(ood, measure)
        for other in entries
        if other.run is not None
        and (other.id, other.backbone, other.method) == (entry.id, entry.backbone, entry.method)
    ]
    # A run may lack an OOD set or FPR95; the deviation is over those that have it.
    return [value for value in values if value is not None]


def load_published(path: Path) -> PublishedNumbers:
    """Read and check the published numbers.

    Raises:
        ClipnError: as `clipn.data.registry.load_registry`.
    """
    return load_records(path, PublishedNumbers)
