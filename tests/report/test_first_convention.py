"""A study whose first convention is not `clipn`: tables and figures show it, and intervals are of `clipn` alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipn.report.figures.context import FigureContext
from clipn.report.figures.intervals import intervals
from clipn.report.tables.intervals import mean_replicates, metrics_table
from clipn.report.tables.layouts import printed_ood
from clipn.report.tables.ood import ood_table
from clipn.study.loading import load_study
from tests.helpers.report_runs import replicates, run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def metrics() -> dict[str, Any]:
    """Of one method, whose FPR95 is 80 % by OpenOOD's reading and 20 % by CLIPN's."""
    found = run("none", 0, {("mcm", "svhn"): (0.7, 0.8)}, convention="openood")
    found["ood"][0]["fpr95_by_convention"] = {"openood": 0.8, "clipn": 0.2}
    return found


def test_the_study_openood_shows_its_own_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert load_study("openood").conventions == ["openood", "clipn"]


def test_tables_show_the_first_and_say_so(metrics: dict[str, Any]) -> None:
    table = ood_table([metrics], "cifar10")
    assert set(table["fpr95"]) == {80.0}
    assert "with OOD as the positive class" in printed_ood(table).note


def test_intervals_are_of_clipn_alone(metrics: dict[str, Any]) -> None:
    table = metrics_table([metrics], mean_replicates([metrics], [replicates(metrics)]))
    rates = table[(table["measure"] == "fpr95") & (table["ood"] == "svhn")].set_index("convention")
    assert dict(rates["mean"]) == {"openood": 80, "clipn": 20}
    assert dict(np.isnan(rates["low"])) == {"openood": True, "clipn": False}


@pytest.mark.filterwarnings("error")
def test_the_figure_shows_the_first(metrics: dict[str, Any]) -> None:
    table = metrics_table([metrics], mean_replicates([metrics], [replicates(metrics)]))
    drawn = intervals(table, FigureContext("openood", "cifar10", "tiny"))
    marks = {float(line.get_xdata()[0]) for axes in drawn.axes for line in axes.lines if line.get_label() == "mean"}
    assert marks == {70.0, 80.0}
