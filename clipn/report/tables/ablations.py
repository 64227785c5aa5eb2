"""What one setting does: the average over OOD sets of variants that differ in it alone."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from clipn.data.registry import OFFICIAL
from clipn.report.formatting import AVERAGE
from clipn.scores import PLAIN_CLIP

COLUMNS = [
    "study", "id", "setting", "value", "backbone", "variant", "prompts", "method",
    "auroc", "auroc_sd", "auroc_low", "auroc_high", "fpr95", "fpr95_sd", "fpr95_low", "fpr95_high", "runs",
]  # fmt: skip


_NAMES = ["id", "backbone", "variant", "prompts", "ood_version", "method", "ood"]
"""What names an average in both tables."""


class Ablation(NamedTuple):
    """A variant and the one setting in which it differs from the others of the same setting."""

    setting: str
    value: str
    variant: str


def ablations_table(
    table: pd.DataFrame, measured: pd.DataFrame, ablations: Sequence[Ablation], base: str, prompts: str
) -> pd.DataFrame:
    """The averages of an `ood_table`, arranged by setting; methods that need a "no" tower only.

    Args:
        table: of one or more ID datasets.
        measured: the `metrics_table` of the same runs, for the intervals.
        ablations: the base among them, once per setting.
        base: the variant that all others differ from.
        prompts: the prompt pool that they are compared under.

    Returns:
        Percent; beside the settings of variants `backbone` and `prompt_pool`, wherever `base` was run with several.
        `_low` and `_high` bound the 95 % bootstrap interval of the mean over runs; FPR95 has one in the convention
        `clipn` alone.
    """
    averages = table[(table["ood"] == AVERAGE) & (table["ood_version"] == OFFICIAL) & (table["variant"] != PLAIN_CLIP)]
    under_pool = averages[averages["prompts"] == prompts]
    parts = [
        under_pool[under_pool["variant"] == variant].assign(setting=setting, value=value)
        for setting, value, variant in ablations
    ]
    # Backbones and pools are no settings of a variant: the study runs its base under several of them.
    of_base = averages[averages["variant"] == base]
    for setting, column, rows in (
        ("backbone", "backbone", of_base[of_base["prompts"] == prompts]),
        ("prompt_pool", "prompts", of_base),
    ):
        if rows[column].nunique() > 1:
            parts.append(rows.assign(setting=setting, value=rows[column]))
    # `concat` refuses an empty list; a table without rows still needs its header in the CSV.
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    order = list(dict.fromkeys(table["id"]))
    every = pd.concat(parts).sort_values("id", key=lambda names: names.map(order.index), kind="stable")
    return _with_intervals(every, measured)[COLUMNS]


def _with_intervals(averages: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    # An interval belongs to the convention of FPR95 that is shown; AUROC has none.
    for measure, convention in (("auroc", []), ("fpr95", ["convention"])):
        names = [*_NAMES, *convention]
        bounds = measured.loc[measured["measure"] == measure, [*names, "low", "high"]]
        averages = averages.merge(bounds, "left", names, validate="many_to_one")
        averages = averages.rename(columns={bound: f"{measure}_{bound}" for bound in ("low", "high")})
    return averages
