"""Numbers of several studies: which of them may stand in one column."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from clipn.errors import ClipnError
from clipn.metrics import CONVENTION
from clipn.report.formatting import AVERAGE
from clipn.report.tables.aggregate import Row, grouped
from clipn.report.tables.intervals import COMPARED

_KEYS = ("id", "ood", "ood_version", "arithmetic", "study", "backbone", "variant", "prompts", "method")
_COLUMNS = {*_KEYS, "measure", "convention", "mean", "sd", "low", "high", "runs"}


class ImageSet(NamedTuple):
    """Images of a dataset, and what tells them from others of that name.

    Attributes:
        name: of the dataset.
        manifest: sha256 of its manifest; the name of the study where that is unknown.
        shrink: how they were made smaller before a model saw them, in words; empty if they were not.
    """

    name: str
    manifest: str
    shrink: str = ""


class Protocol(NamedTuple):
    """What numbers have in common that may be compared.

    Attributes:
        id: the ID images.
        ood: those of the OOD set, or of several that are averaged over, sorted.
        ood_version: the image list of the OOD sets.
        convention: how FPR95 is read off the ROC curve.
        arithmetic: what computed.
    """

    id: ImageSet
    ood: tuple[ImageSet, ...]
    ood_version: str
    convention: str
    arithmetic: str

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """Those of ID, then those of OOD."""
        return (self.id, *self.ood)


class Measured(NamedTuple):
    """Mean and sample deviation over runs, and the bounds of the 95 % interval, in percent; NaN for what is unknown."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """What one method of a study reached."""

    study: str
    backbone: str
    variant: str
    prompts: str
    method: str
    auroc: Measured
    fpr95: Measured
    runs: int


Leaderboard = dict[Protocol, list[Entry]]


def entries_of(table: pd.DataFrame, images: Mapping[str, ImageSet]) -> Iterator[tuple[Protocol, Entry]]:
    """All that a study measured, against each OOD set and on average over several.

    Args:
        table: of `clipn.report.tables.intervals.metrics_table`, with the column `arithmetic`.
        images: of the datasets, by name; those of any other are the study's alone.

    Raises:
        ClipnError: the table has other columns, or lacks a number.
    """
    if missing := sorted(_COLUMNS - {*table.columns}):
        raise ClipnError(f"metrics.csv: no column {missing[0]!r}, so it is of another version; make the study again")
    compared = table[table["measure"].isin(COMPARED)]
    if compared[["mean", "runs"]].isna().any(axis=None):
        raise ClipnError("metrics.csv: a row without a number; make the study again")
    rows: list[Row] = [{str(key): value for key, value in row.items()} for row in compared.to_dict("records")]
    ood_datasets: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        if row["ood"] != AVERAGE:
            ood_datasets[row["id"]][row["ood"]] = None
    for key, measured in grouped(rows, _KEYS).items():
        id_dataset, ood, ood_version, arithmetic, study, backbone, variant, prompts, method = key
        names = [*ood_datasets[id_dataset]] if ood == AVERAGE else [ood]
        # The average over a single OOD set is the number of that set once more.
        if ood == AVERAGE and len(names) == 1:
            continue
        of_id, *of_ood = (images.get(name) or ImageSet(name, study) for name in (id_dataset, *names))
        convention, auroc, fpr95 = _measures(measured)
        # Sorted, as an average does not depend on the order in which studies name their OOD sets.
        protocol = Protocol(of_id, tuple(sorted(of_ood)), ood_version, convention, arithmetic)
        runs = int(measured[0]["runs"])
        yield protocol, Entry(study, backbone, variant, prompts, method, auroc, fpr95, runs)


def leaderboard(entries: Iterable[tuple[Protocol, Entry]]) -> Leaderboard:
    """Entries by what they can be compared under, each list from the highest AUROC down.

    Those of one ID set stand together, averages before single OOD sets, else in order of first appearance.
    """
    found: Leaderboard = defaultdict(list)
    for protocol, entry in entries:
        found[protocol].append(entry)
    id_sets = list(dict.fromkeys(protocol.id for protocol in found))
    order = sorted(found, key=lambda protocol: (id_sets.index(protocol.id), len(protocol.ood) == 1))
    return {protocol: sorted(found[protocol], key=lambda row: (-row.auroc.mean, row.fpr95.mean)) for protocol in order}


def _measures(rows: list[Row]) -> tuple[str, Measured, Measured]:
    """Convention, AUROC and FPR95 of one method."""
    by_convention = {row["convention"]: Measured(*(row[name] for name in Measured._fields)) for row in rows}
    auroc = by_convention.pop("", None)
    if auroc is None or not by_convention:
        raise ClipnError(f"metrics.csv: no AUROC or no FPR95 of {rows[0]['method']}; make the study again")
    # This one has an interval; without it, the one that the study names first.
    convention = CONVENTION if CONVENTION in by_convention else next(iter(by_convention))
    return convention, auroc, by_convention[convention]
