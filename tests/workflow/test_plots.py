"""The plots that dvc.yaml names: their template and the columns that it draws."""

import json
from typing import Any

import yaml

from clipn.report.tables.ood import ood_table
from tests.helpers.project import ROOT
from tests.helpers.report_runs import BASELINE

PLOTS: list[dict[str, Any]] = [
    plot for plot in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"] if isinstance(plot, dict)
]
COLUMNS = set(ood_table([BASELINE], "cifar10").columns)


def fields(part: Any) -> set[str]:
    """Names of all columns in a part of a template, but for those that DVC fills in."""
    if isinstance(part, list):
        return set[str]().union(*map(fields, part))
    if not isinstance(part, dict):
        return set()
    own = {part["field"]} if isinstance(part.get("field"), str) else set()
    return {name for name in own if not name.startswith("<DVC_METRIC_")}.union(*map(fields, part.values()))


def test_templates_colour_by_method_and_draw_columns_of_the_table() -> None:
    assert PLOTS
    for plot in PLOTS:
        ((_, settings),) = plot.items()
        template = json.loads((ROOT / settings["template"]).read_text())
        assert template["encoding"]["color"]["field"] == "method"
        # DVC adds the revision.
        assert fields(template) - {"rev"} < COLUMNS
        assert {*settings["x"].values(), *settings["y"].values()} < COLUMNS
