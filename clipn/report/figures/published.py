"""Published numbers against measured ones."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clipn.report.figures.saving import save
from clipn.report.figures.style import GREY, ID_COLOUR, OOD_COLOUR, WIDTH, finish, house_style, sentence
from clipn.report.formatting import AVERAGE, fixed, method_title
from clipn.report.published_numbers import RECORDED
from clipn.report.reading import read_table, read_titles
from clipn.report.tables.verdict import AGREES, DIFFERS
from clipn.scores import PLAIN_CLIP

Row = Mapping[Any, Any]

_MEASURES = {"auroc": "AUROC (%)", "fpr95": "FPR95 (%)"}
_LISTED = 15
"""Differing numbers that are named below the panels, the most different first."""


def draw_published(table: Path, study: str, datasets: Path, png: Path, pdf: Path) -> None:
    """Draw `published` of the table `published.csv` and save it; `datasets`: folder with one indexed dataset each."""
    save(published(read_table(table), study, read_titles(datasets)), png, pdf)


@house_style()
def published(table: pd.DataFrame, study: str, titles: Mapping[str, str] | None = None) -> Figure:
    """Measured against published percentages, AUROC and FPR95; numbers beyond their tolerance are named below.

    Args:
        table: columns `id,ood,backbone,variant,method,measure,run,measured,published,low,high,tolerance,kind,
            verdict` and others; rows whose verdict is neither `agrees` nor `differs` are left out.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.

    Returns:
        A figure; one that holds a single sentence where no number can be compared.
    """
    # Recorded numbers are left out: equal ones are a diagonal, and say less than the sentence that counts them.
    compared = table["verdict"].isin([AGREES, DIFFERS]) & (table["kind"] != RECORDED)
    rows = table[compared & table["measure"].isin(_MEASURES)]
    if rows.empty:
        return sentence(f"Not comparable: study {study} has no published numbers")
    # Whether read from a file or computed: nullable integers and texts become floats, NaN for a mean.
    rows = rows.assign(run=pd.to_numeric(rows["run"], errors="coerce").astype(float))
    # The most different first: only so many are named.
    distance = (rows["measured"] - rows["published"]).abs()
    ordered = rows.loc[distance.sort_values(ascending=False, kind="stable").index]
    differing = ordered[ordered["verdict"] == DIFFERS].to_dict("records")
    listed = [*enumerate(differing[:_LISTED], start=1)]
    # Lower case, unlike in tables: it stands within a sentence.
    names = [_name(number, row, {AVERAGE: "average", **(titles or {})}) for number, row in listed]
    if len(differing) > len(listed):
        names.append(f"and {len(differing) - len(listed)} more: see the table of published numbers")
    figure = Figure(figsize=(WIDTH, 4.2 + 0.13 * len(names)), layout="constrained")
    for axes, (measure, title) in zip(figure.subplots(1, 2), _MEASURES.items(), strict=True):
        _panel(axes, rows[rows["measure"] == measure], [pair for pair in listed if pair[1]["measure"] == measure])
        axes.set_title(title)
    figure.suptitle(f"Published and measured numbers\nstudy: {study}")
    agrees, differs = f"agrees ({len(rows) - len(differing)})", f"differs ({len(differing)})"
    handles = [
        Line2D([], [], color=ID_COLOUR, linestyle="", marker="o", markersize=4, label=agrees),
        Line2D([], [], color=OOD_COLOUR, linestyle="", marker="X", markersize=5.5, label=differs),
        Line2D([], [], color="black", linewidth=1, label="95 % interval (images)"),
        Line2D([], [], color=GREY, alpha=0.3, linewidth=5, label="tolerance"),
    ]
    figure.axes[0].legend(handles=handles)
    if names:
        figure.supxlabel("\n".join(names), fontsize=6.5, ha="left", x=0.03)
    return finish(figure)


def _name(number: int, row: Row, titles: Mapping[str, str]) -> str:
    sets = [titles.get(row[role], row[role]) for role in ("id", "ood")]
    what = [row["backbone"], *[row["variant"]] * (row["variant"] != PLAIN_CLIP), method_title(row["method"])]
    run = "" if math.isnan(row["run"]) else f" of run {row['run']:.0f}"
    where = f"{' against '.join(sets)}, {', '.join(what)}, {row['measure'].upper()}{run}"
    return f"{number}  {where}: {fixed(row['published'])} published, {fixed(row['measured'])} measured"


def _panel(axes: Axes, rows: pd.DataFrame, numbered: Sequence[tuple[int, Row]]) -> None:
    # A single run has no interval: its NaN is skipped by min and max.
    ends = rows[["published", "measured", "low", "high"]].stack()
    margin = 0.06 * (ends.max() - ends.min()) + 1 if len(rows) else 1
    limits = (ends.min() - margin, ends.max() + margin) if len(rows) else (0, 100)
    axes.plot(limits, limits, color=GREY, linewidth=0.7, linestyle="--", zorder=1)
    for row in rows.to_dict("records"):
        x, tolerance = row["published"], row["tolerance"]
        axes.vlines(x, x - tolerance, x + tolerance, color=GREY, alpha=0.3, linewidth=5, zorder=0)
        # Colour and marker, for those who print in grey or cannot tell the colours.
        agrees = row["verdict"] == AGREES
        colour = ID_COLOUR if agrees else OOD_COLOUR
        axes.vlines(x, row["low"], row["high"], color=colour, linewidth=1, zorder=2)
        axes.plot(x, row["measured"], "o" if agrees else "X", color=colour, markersize=4 if agrees else 5.5, zorder=3)
    axes.set(xlim=limits, ylim=limits, xlabel="published", ylabel="measured", aspect="equal")
    for number, named in numbered:
        point = (named["published"], named["measured"])
        axes.annotate(str(number), point, (5, -2), textcoords="offset points", fontsize=6.5, color=OOD_COLOUR)
