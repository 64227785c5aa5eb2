"""Published numbers against measured ones."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clipn.report.figures.series import PLAIN
from clipn.report.figures.style import GREY, ID_COLOUR, OOD_COLOUR, WIDTH, finish, house_style, sentence
from clipn.report.formatting import AVERAGE, fixed, method_title

Row = Mapping[Any, Any]

_MEASURES = {"auroc": "AUROC (%)", "fpr95": "FPR95 (%)"}
_LISTED = 15
"""Differing numbers that are named below the panels, the most different first."""


@house_style()
def published(table: pd.DataFrame, study: str, titles: Mapping[str, str] | None = None) -> Figure:
    """Measured against published percentages, AUROC and FPR95; numbers beyond their tolerance are named below.

    Args:
        table: columns `id,ood,backbone,variant,method,measure,run,measured,published,low,high,tolerance,verdict`
            and others; rows whose verdict is neither `agrees` nor `differs` are left out.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.

    Returns:
        A figure; one that holds a single sentence where no number can be compared.
    """
    rows = table[table["verdict"].isin(["agrees", "differs"]) & table["measure"].isin(_MEASURES)]
    if rows.empty:
        return finish(sentence(f"Not comparable: study {study} has no published numbers"))
    rows = rows.assign(run=pd.to_numeric(rows["run"], errors="coerce").astype(float))
    titles = {AVERAGE: "average", **(titles or {})}
    differing = _differing(rows)
    names = _names(differing, titles)
    figure = Figure(figsize=(WIDTH, 4.2 + 0.13 * len(names)), layout="constrained")
    for axes, (measure, title) in zip(figure.subplots(1, 2), _MEASURES.items(), strict=True):
        _panel(axes, rows[rows["measure"] == measure])
        _numbers(axes, differing, measure)
        axes.set_title(title)
    figure.suptitle(f"Published and measured numbers\nstudy: {study}")
    figure.axes[0].legend(handles=_legend(len(rows) - len(differing), len(differing)))
    if names:
        figure.supxlabel("\n".join(names), fontsize=6.5, ha="left", x=0.03)
    return finish(figure)


def _differing(rows: pd.DataFrame) -> list[Row]:
    """Records of the numbers beyond their tolerance, the most different first."""
    distance = (rows["measured"] - rows["published"]).abs()
    ordered = rows.loc[distance.sort_values(ascending=False, kind="stable").index]
    return [*ordered[ordered["verdict"] == "differs"].to_dict("records")]


def _names(differing: Sequence[Row], titles: Mapping[str, str]) -> list[str]:
    names = [_name(number, row, titles) for number, row in enumerate(differing[:_LISTED], start=1)]
    more = len(differing) - len(names)
    return [*names, f"and {more} more: see the table of published numbers"] if more else names


def _name(number: int, row: Row, titles: Mapping[str, str]) -> str:
    sets = [titles.get(row[role], row[role]) for role in ("id", "ood")]
    what = [row["backbone"], *[row["variant"]] * (row["variant"] != PLAIN), method_title(row["method"])]
    run = "" if math.isnan(row["run"]) else f" of run {row['run']:.0f}"
    where = f"{' against '.join(sets)}, {', '.join(what)}, {row['measure'].upper()}{run}"
    return f"{number}  {where}: {fixed(row['published'])} published, {fixed(row['measured'])} measured"


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    ends = rows[["published", "measured", "low", "high"]].stack()
    margin = 0.06 * (ends.max() - ends.min()) + 1 if len(rows) else 1
    limits = (ends.min() - margin, ends.max() + margin) if len(rows) else (0, 100)
    axes.plot(limits, limits, color=GREY, linewidth=0.7, linestyle="--", zorder=1)
    for row in rows.to_dict("records"):
        _point(axes, row)
    axes.set(xlim=limits, ylim=limits, xlabel="published", ylabel="measured", aspect="equal")


def _numbers(axes: Axes, differing: Sequence[Row], measure: str) -> None:
    for number, row in enumerate(differing[:_LISTED], start=1):
        if row["measure"] == measure:
            place = (row["published"], row["measured"])
            axes.annotate(str(number), place, (5, -2), textcoords="offset points", fontsize=6.5, color=OOD_COLOUR)


def _point(axes: Axes, row: Row) -> None:
    place, tolerance = row["published"], row["tolerance"]
    axes.vlines(place, place - tolerance, place + tolerance, color=GREY, alpha=0.3, linewidth=5, zorder=0)
    agrees = row["verdict"] == "agrees"
    colour = ID_COLOUR if agrees else OOD_COLOUR
    axes.vlines(place, row["low"], row["high"], color=colour, linewidth=1, zorder=2)
    axes.plot(place, row["measured"], "o" if agrees else "X", color=colour, markersize=4 if agrees else 5.5, zorder=3)


def _legend(agreeing: int, differing: int) -> list[Line2D]:
    return [
        Line2D([], [], color=ID_COLOUR, linestyle="", marker="o", markersize=4, label=f"agrees ({agreeing})"),
        Line2D([], [], color=OOD_COLOUR, linestyle="", marker="X", markersize=5.5, label=f"differs ({differing})"),
        Line2D([], [], color="black", linewidth=1, label="95 % interval (images)"),
        Line2D([], [], color=GREY, alpha=0.3, linewidth=5, label="tolerance"),
    ]
