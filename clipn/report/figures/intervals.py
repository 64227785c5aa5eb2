"""Every method's FPR95 and AUROC with its intervals: what the choice of images and of seeds may change."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from clipn.errors import ClipnError
from clipn.evaluation.evaluate import OFFICIAL
from clipn.report.figures.series import PLAIN
from clipn.report.figures.style import GREY, WIDTH, finish, heading, house_style, look, methods_in_order
from clipn.report.formatting import AVERAGE, method_title
from clipn.scores import SCORES

_MEASURES = {"fpr95": "FPR95 (%), lower is better", "auroc": "AUROC (%), higher is better"}
_COLUMNS = 5
_LINE = 0.125
"""Inches between two methods."""

_LEAST = 5
"""Lines that a panel has room for, even if there are fewer."""

_BELOW = 0.3
"""Lines by which the deviation over seeds stands below the interval."""


class _Line(NamedTuple):
    method: str
    variant: str


@house_style()
def intervals(
    metrics: pd.DataFrame,
    id_dataset: str,
    backbone: str,
    study: str,
    titles: Mapping[str, str] | None = None,
    variants: Sequence[str] | None = None,
    prompts: str | None = None,
) -> Figure:
    """Means with 95 % bootstrap intervals and deviations over seeds: methods down, one panel per OOD set and measure.

    Args:
        metrics: of `clipn.report.tables.intervals.metrics_table`, percent; official image lists and the first
            convention of FPR95 are shown.
        id_dataset: identifier of the ID dataset.
        backbone: the backbone to show.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.
        variants: the variants to show, in order, beside the methods that have none; None: all.
        prompts: the prompt pool to show, beside that of a method with its own; None: the first one met.

    Raises:
        ClipnError: no metrics of this backbone for this ID dataset.
    """
    rows = _rows(metrics[(metrics["id"] == id_dataset) & (metrics["backbone"] == backbone)], variants, prompts)
    if rows.empty:
        raise ClipnError(f"metrics of {backbone}: none for ID dataset {id_dataset!r}; evaluate its runs first")
    lines = _lines(rows, variants)
    titles = {AVERAGE: "Average", **(titles or {})}
    sets = sorted(dict.fromkeys(rows["ood"]), key=lambda name: bool(name == AVERAGE))
    bands = math.ceil(len(sets) / _COLUMNS)
    height = bands * (_LINE * max(len(lines), _LEAST) + 0.5)
    figure = Figure(figsize=(WIDTH, 2 * height + 1.0), layout="constrained")
    for part, (measure, title) in zip(figure.subfigures(2, 1, squeeze=False).ravel(), _MEASURES.items(), strict=True):
        part.suptitle(title, fontsize=7.5, fontweight="bold")
        _panels(part, rows[rows["measure"] == measure], lines, sets, titles, bands)
    heading(
        figure, "Detection with its uncertainty", titles.get(id_dataset, id_dataset), study, f"backbone: {backbone}"
    )
    figure.legend(handles=list(_legend()), loc="outside lower center", ncols=2)
    return finish(figure)


def _rows(table: pd.DataFrame, variants: Sequence[str] | None, prompts: str | None) -> pd.DataFrame:
    fpr = table.loc[table["measure"] == "fpr95", "convention"]
    conventions = {"fpr95": fpr.iloc[0] if len(fpr) else "", "auroc": ""}
    pool = prompts or (table["prompts"].iloc[0] if len(table) else "")
    own = table["method"].map(lambda method: SCORES[method].prompts if method in SCORES else None)
    chosen = (
        (table["ood_version"] == OFFICIAL)
        & table["measure"].isin(_MEASURES)
        & ((table["measure"] != "fpr95") | (table["convention"] == conventions["fpr95"]))
        & ((table["prompts"] == pool) | (table["prompts"] == own))
    )
    if variants is not None:
        chosen &= table["variant"].isin([PLAIN, *variants])
    return table[chosen]


def _lines(rows: pd.DataFrame, variants: Sequence[str] | None) -> list[_Line]:
    found = list(dict.fromkeys(map(_Line._make, zip(rows["method"], rows["variant"], strict=True))))
    methods = [*methods_in_order(), *rows["method"]]
    names = [PLAIN, *(variants or []), *rows["variant"]]
    return sorted(found, key=lambda line: (methods.index(line.method), names.index(line.variant)))


def _panels(
    part: SubFigure,
    rows: pd.DataFrame,
    lines: Sequence[_Line],
    sets: Sequence[str],
    titles: Mapping[str, str],
    bands: int,
) -> None:
    columns = math.ceil(len(sets) / bands)
    grid = part.subplots(bands, columns, squeeze=False)
    for axes in grid.ravel()[len(sets) :]:
        axes.remove()
    for place, (axes, ood) in enumerate(zip(grid.ravel(), sets, strict=False)):
        axes.set_title(titles.get(ood, ood), fontweight="bold" if ood == AVERAGE else "normal")
        _panel(axes, rows[rows["ood"] == ood], lines)
        axes.set_yticks(range(len(lines)), _labels(lines) if place % columns == 0 else [])


def _labels(lines: Sequence[_Line]) -> list[str]:
    """Names of methods, with the variant where a method comes in several."""
    methods = [line.method for line in lines]
    titles = [(method_title(method), f" ({variant})" if methods.count(method) > 1 else "") for method, variant in lines]
    return ["".join(title) for title in titles]


def _panel(axes: Axes, rows: pd.DataFrame, lines: Sequence[_Line]) -> None:
    for row in rows.to_dict("records"):
        place = lines.index(_Line(row["method"], row["variant"]))
        style = look(row["method"])
        axes.plot([row["low"], row["high"]], [place] * 2, "|-", color=style.colour, linewidth=0.9, markersize=5)
        axes.plot(row["mean"], place, style.marker, color=style.colour, mfc=style.face, ms=3.2, mew=0.7, label="mean")
        if row["runs"] > 1:
            ends = [row["mean"] - row["sd"], row["mean"] + row["sd"]]
            axes.plot(ends, [place + _BELOW] * 2, "|-", color="black", linewidth=0.5, markersize=2)
    axes.set_ylim(len(lines) - 0.25, -0.6)
    axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.4)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.set_axisbelow(True)


def _legend() -> Iterator[Line2D]:
    yield Line2D(
        [], [], color="black", marker="o", markersize=3.2, label="mean and its 95 % bootstrap interval (images)"
    )
    yield Line2D(
        [], [], color="black", marker="|", markersize=3, linewidth=0.6, label="± standard deviation over seeds"
    )
