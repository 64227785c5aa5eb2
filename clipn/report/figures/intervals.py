"""Every method's FPR95 and AUROC with its intervals: what the choice of images and of seeds may change."""

import math
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.report.figures.context import FigureContext
from clipn.report.figures.style import GREY, WIDTH, LineStyle, finish, house_style, line_style, methods_in_order
from clipn.report.formatting import AVERAGE, fixed, method_title
from clipn.scores import FITTED, IMPORTED, PLAIN_CLIP, SCORES
from clipn.study.names import family

_MEASURES = {"fpr95": "FPR95 (%), lower is better", "auroc": "AUROC (%), higher is better"}
_COLUMNS = 5
_LINE = 0.125
"""Inches between two methods."""

_LEAST = 5
"""Lines that a panel has room for, even if there are fewer."""

_CHARACTERS = 18
"""Of a line above a panel."""

_BELOW = 0.3
"""Lines by which the deviation over seeds stands below the interval."""


class _Line(NamedTuple):
    method: str
    variant: str


@house_style()
def intervals(
    metrics: pd.DataFrame, context: FigureContext, variants: Sequence[str] | None = None, prompts: str | None = None
) -> Figure:
    """Means with 95 % bootstrap intervals and deviations over seeds: methods down, one panel per OOD set and measure.

    What scores all images alike is grey.

    Args:
        metrics: of `clipn.report.tables.intervals.metrics_table`, percent; official image lists and the first
            convention of FPR95 are shown.
        context: study, ID dataset and backbone to show.
        variants: the variants to show, in order, beside the methods on plain CLIP; None: all.
        prompts: the prompt pool to show, beside that of a method with its own; None: the first one met.

    Raises:
        ClipnError: no metrics of this backbone for this ID dataset.
    """
    # Of several trainings of a backbone, tables hold the mean.
    context = replace(context, backbone=family(context.backbone))
    rows = _rows(metrics, context, variants, prompts)
    methods = [*methods_in_order(), *rows["method"]]
    names = [PLAIN_CLIP, *(variants or []), *rows["variant"]]
    found = dict.fromkeys(map(_Line._make, zip(rows["method"], rows["variant"], strict=True)))
    lines = sorted(found, key=lambda line: (methods.index(line.method), names.index(line.variant)))
    controls = _controls(rows)
    styles = {line: line_style("control" if line in controls else line.method) for line in lines}
    # The average is another kind of number than the rest, so it comes last, wherever it is met.
    ood_datasets = sorted(dict.fromkeys(rows["ood"]), key=lambda name: bool(name == AVERAGE))
    bands = math.ceil(len(ood_datasets) / _COLUMNS)
    height = bands * (_LINE * max(len(lines), _LEAST) + 0.5)
    figure = Figure(figsize=(WIDTH, 2 * height + 1.0), layout="constrained")
    for part, (measure, title) in zip(figure.subfigures(2, 1, squeeze=False).ravel(), _MEASURES.items(), strict=True):
        part.suptitle(title, fontsize=7.5, fontweight="bold")
        _panels(part, rows[rows["measure"] == measure], styles, ood_datasets, context, bands)
    figure.suptitle(context.heading("Detection with its uncertainty"))
    mean, deviation = "mean and its 95 % bootstrap interval (images)", "± standard deviation over seeds"
    handles = [
        Line2D([], [], color="black", marker="o", markersize=3.2, label=mean),
        Line2D([], [], color="black", marker="|", markersize=3, linewidth=0.6, label=deviation),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return finish(figure)


def _rows(
    metrics: pd.DataFrame, context: FigureContext, variants: Sequence[str] | None, prompts: str | None
) -> pd.DataFrame:
    table = metrics[(metrics["id"] == context.id_dataset) & (metrics["backbone"] == context.backbone)]
    fpr = table.loc[table["measure"] == "fpr95", "convention"]
    pool = prompts or (table["prompts"].iloc[0] if len(table) else "")
    # A registered method may have a pool of its own (NegLabel), under which alone it is scored.
    own = table["method"].map(lambda method: SCORES[method].prompts if method in SCORES else IMPORTED)
    chosen = (
        (table["ood_version"] == OFFICIAL)
        & table["measure"].isin(_MEASURES)
        # Several conventions would be several points on one line; AUROC has none.
        & ((table["measure"] != "fpr95") | (table["convention"] == (fpr.iloc[0] if len(fpr) else "")))
        & ((table["prompts"] == pool) | (table["prompts"] == own))
    )
    if variants is not None:
        chosen &= table["variant"].isin([PLAIN_CLIP, *variants])
    if not chosen.any():
        raise ClipnError(
            f"metrics of {context.backbone}: none for ID dataset {context.id_dataset!r}; evaluate its runs first"
        )
    return table[chosen]


def _controls(rows: pd.DataFrame) -> set[_Line]:
    """Those that score all images alike, as an untrained "no" tower does: 50 is their AUROC against every OOD set."""
    auroc = rows[rows["measure"] == "auroc"].groupby(list(_Line._fields))["mean"]
    alike = auroc.agg(lambda means: {*map(fixed, means)} == {fixed(50)})
    return {*map(_Line._make, alike[alike].index)}


def _draw_mean(axes: Axes, row: Mapping[Hashable, Any], y: int, style: LineStyle) -> None:
    axes.plot([row["low"], row["high"]], [y] * 2, "|-", color=style.colour, linewidth=0.9, markersize=5)
    axes.plot(row["mean"], y, style.marker, color=style.colour, mfc=style.face, ms=3.2, mew=0.7, label="mean")
    # One seed has no deviation; it is drawn below the interval, as the two answer different questions.
    if row["runs"] > 1:
        ends = [row["mean"] - row["sd"], row["mean"] + row["sd"]]
        axes.plot(ends, [y + _BELOW] * 2, "|-", color="black", linewidth=0.5, markersize=2)


def _panels(
    figure: SubFigure,
    rows: pd.DataFrame,
    styles: Mapping[_Line, LineStyle],
    ood_datasets: Sequence[str],
    context: FigureContext,
    bands: int,
) -> None:
    lines = list(styles)
    methods = [line.method for line in lines]
    # The variant is named only where a method comes in several, or where it would pass for a zero-shot one.
    named = [methods.count(name) > 1 or variant.startswith(FITTED) for name, variant in lines]
    labels = [method_title(line.method) + f" ({line.variant})" * told for line, told in zip(lines, named, strict=True)]
    columns = math.ceil(len(ood_datasets) / bands)
    grid = figure.subplots(bands, columns, squeeze=False)
    for axes in grid.ravel()[len(ood_datasets) :]:
        axes.remove()
    for index, (axes, ood) in enumerate(zip(grid.ravel(), ood_datasets, strict=False)):
        title = textwrap.fill(context.title(ood), _CHARACTERS)
        axes.set_title(title, fontweight="bold" if ood == AVERAGE else "normal")
        for row in rows[rows["ood"] == ood].to_dict("records"):
            line = _Line(row["method"], row["variant"])
            _draw_mean(axes, row, lines.index(line), styles[line])
        # From large to small: the first method stands on top.
        axes.set_ylim(len(lines) - 0.25, -0.6)
        axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.4)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_axisbelow(True)
        axes.set_yticks(range(len(lines)), labels if index % columns == 0 else [])
