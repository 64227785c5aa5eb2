"""The table of methods that adapt on the test stream, in percent: every row says which stream it is of."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from clipn.adaptation import ANY_ORDER
from clipn.report.tables.aggregate import BLOCK, averages, collect, grouped, over_runs

ALL_ORDERS = "all"
"""Stands in the column `order_seed` for the mean over the orders."""
_MEASURES = ("auroc", "fpr95")
_STREAM = ("order_seed", "batch", "mix")
_IMAGES = ("id_images", "ood_images")
_COLUMNS = (
    "study,id,ood,ood_version,backbone,variant,prompts,method,order_seed,batch,mix,id_images,ood_images,"
    "auroc,auroc_sd,fpr95,fpr95_sd,runs,convention"
)


def streams_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """AUROC (higher is better) and FPR95 (lower is better) in every stream of ID and OOD images.

    Args:
        runs: parsed metrics files of `clipn.evaluation.streams.measure_streams`, fractions in [0, 1].

    Returns:
        One row per (ID dataset, backbone, method, order, OOD set), percent, mean and sample standard deviation over
        the trainings of the backbone (NaN for one), and `average` over OOD sets, which has no number of OOD images.
        Where there are several orders, the rows of `all` have mean and deviation over trainings and orders; a method
        that sees a stream as a whole has rows of `any` order alone. Errors as of `clipn.report.tables.ood.ood_table`.
    """
    rows = []
    for of_order in grouped(collect(runs, "ood"), ("order_seed",)).values():
        rows += [*of_order, *(row | {"ood_images": None} for row in averages(of_order, _MEASURES))]
    ordered = [row for row in rows if row["order_seed"] != ANY_ORDER]
    if len({row["order_seed"] for row in ordered}) > 1:
        # An order counts as a run of its own here.
        rows += [row | {"order_seed": ALL_ORDERS, "seed": (row["seed"], row["order_seed"])} for row in ordered]
    keys = (*BLOCK, *_STREAM, "ood", *_IMAGES)
    table = over_runs(rows, keys, _MEASURES, _COLUMNS.split(","))
    return table.astype({"order_seed": str, "batch": str} | dict.fromkeys(_IMAGES, "Int64"))
