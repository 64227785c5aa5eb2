"""How the methods of a study stand: their averages over the OOD sets of each ID dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from clipn.data.registry import OFFICIAL
from clipn.report.formatting import AVERAGE, fixed, method_title
from clipn.scores import SCORES


@dataclass(frozen=True)
class Standing:
    """A method on average over OOD sets, in percent.

    Attributes:
        name: of the method, for people.
        details: its backbone and variant.
        needs_no: whether it needs a "no" tower.
        auroc: higher is better.
        fpr95: lower is better.
    """

    name: str
    details: str
    needs_no: bool
    auroc: float
    fpr95: float


def standings(table: pd.DataFrame) -> list[Standing]:
    """Those of a table of `clipn.report.tables.ood.ood_table`, best AUROC first, of equal ones the lower FPR95."""
    averages = table[(table["ood"] == AVERAGE) & (table["ood_version"] == OFFICIAL)]
    found = [
        Standing(
            method_title(row["method"]),
            f"{row['backbone']}, {row['variant']}",
            row["method"] in SCORES and SCORES[row["method"]].needs_no,
            row["auroc"],
            row["fpr95"],
        )
        for row in averages.to_dict("records")
    ]
    # Of what prints alike, none is better.
    return sorted(found, key=lambda item: (-float(fixed(item.auroc)), float(fixed(item.fpr95))))


def scale_start(found: Sequence[Standing]) -> int:
    """Where an axis up to 100 % begins that all AUROCs fit on: a multiple of ten below the lowest one, at most 90."""
    return min(90, int(min((item.auroc for item in found), default=0) // 10 * 10))
