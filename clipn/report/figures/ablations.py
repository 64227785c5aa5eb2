"""What one setting does: average AUROC and FPR95 against its value, with their intervals."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import offset_copy

from clipn.errors import ClipnError
from clipn.report.figures.context import FigureContext
from clipn.report.figures.saving import save
from clipn.report.figures.style import GREY, WIDTH, finish, house_style, line_style, methods_in_order
from clipn.report.formatting import method_title, setting_title
from clipn.report.reading import read_table, read_titles

_MEASURES = {"auroc": "AUROC (%), average", "fpr95": "FPR95 (%), average"}
_SHARED = "backbone"
"""The one setting whose panel shows several backbones."""

_CHARACTERS = 60
"""Of all values together; more would overlap if they stood side by side."""

_APART = 9
"""Points between two methods at one value: the size of a ring."""

_BESIDE = 3
"""Points by which the deviation over seeds stands beside the interval."""

_BASE = "base value"


class Base(NamedTuple):
    """What all ablations differ from in one setting."""

    backbone: str
    variant: str | None
    """None: it cannot be told."""

    prompts: str


def draw_ablations(table: Path, id_dataset: str, base: str, study: str, datasets: Path, png: Path, pdf: Path) -> None:
    """Draw `ablations` of one ID dataset from the table `ablations.csv` and save it.

    Raises:
        ClipnError: the table has no rows of the ID dataset.
    """
    rows = read_table(table)
    rows = rows[rows["id"] == id_dataset]
    if rows.empty:
        raise ClipnError(f"{table}: has no rows of ID dataset {id_dataset!r}; add a pair or ablations to the study")
    save(ablations(rows, study, read_titles(datasets), base), png, pdf)


@house_style()
def ablations(
    table: pd.DataFrame, study: str, titles: Mapping[str, str] | None = None, base: str | None = None
) -> Figure:
    """Averages over the OOD sets against the value of one setting per row; the base value is ringed.

    Bars are the 95 % bootstrap interval and, beside it, the deviation over seeds where there are several. A setting
    whose values are all positive numbers has a logarithmic axis and lines, any other points. Settings other than the
    backbone are shown for the backbone with the most rows, and ringed under the prompt pool with the most.

    Args:
        table: of `clipn.report.tables.ablations.ablations_table`, percent, of one ID dataset.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.
        base: the variant that all others differ from; None: the one that is in the most settings.

    Raises:
        ClipnError: no rows, or several ID datasets.
    """
    if table["id"].nunique() != 1:
        raise ClipnError(f"ablations: rows of {table['id'].nunique()} ID datasets; draw those of one")
    settings = table.groupby("variant", sort=False)["setting"].nunique()
    shared = settings[settings == settings.max()].index
    backbone, prompts = (str(table[column].value_counts(sort=False).idxmax()) for column in ("backbone", "prompts"))
    # In a study with one setting every variant is in as many settings as the base, which then cannot be told.
    reference = Base(backbone, base or (str(shared[0]) if len(shared) == 1 else None), prompts)
    rows = table[(table["setting"] == _SHARED) | (table["backbone"] == reference.backbone)]
    names = list(dict.fromkeys(rows["setting"]))
    figure = Figure(figsize=(WIDTH, 1.2 * len(names) + 0.9), layout="constrained")
    # One scale per measure, so that settings compare.
    grid = figure.subplots(len(names), 2, squeeze=False, sharey="col")
    for line, setting in zip(grid, names, strict=True):
        for axes, measure in zip(line, _MEASURES, strict=True):
            _panel(axes, rows[rows["setting"] == setting], measure, reference)
            axes.set_xlabel(setting_title(setting))
    for axes, title in zip(grid[0], _MEASURES.values(), strict=True):
        axes.set_title(title)
    context = FigureContext(study, str(table["id"].iloc[0]), reference.backbone, titles or {})
    figure.suptitle(context.heading("Ablations"))
    handles = _handles(grid.ravel(), has_deviations=bool((rows["runs"] > 1).any()))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return finish(figure)


def _handles(panels: Iterable[Axes], has_deviations: bool) -> list[Artist]:
    """What the legend explains: methods, the ring, and the two kinds of bars."""
    # By label, as every panel has the same ones; the ring comes after all methods.
    drawn = {line.get_label(): line for axes in panels for line in axes.get_legend_handles_labels()[0]}
    shown = sorted(drawn.values(), key=lambda line: line.get_label() == _BASE)
    interval, deviation = "95 % bootstrap interval (images)", "± standard deviation over seeds"
    shown.append(Line2D([], [], color="black", marker="|", markersize=5, linewidth=0.9, label=interval))
    if has_deviations:
        shown.append(Line2D([], [], color="black", marker="|", markersize=3, linewidth=0.5, label=deviation))
    return shown


def _panel(axes: Axes, rows: pd.DataFrame, measure: str, base: Base) -> None:
    rows = _on_axis(axes, rows)
    methods = sorted(dict.fromkeys(rows["method"]), key=[*methods_in_order(), *rows["method"]].index)
    for index, method in enumerate(methods):
        # Along the axis, or the line would go back and forth in the order of the study's settings.
        part = rows[rows["method"] == method].sort_values("x", kind="stable")
        _draw_method(axes, part, measure, base, _APART * (index - (len(methods) - 1) / 2))
    axes.margins(y=0.25)
    axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.4)


def _draw_method(axes: Axes, rows: pd.DataFrame, measure: str, base: Base, right: float) -> None:
    """Draw the rows of one method some points to the right of their values, so that it hides no other."""
    (method,) = set(rows["method"])
    style = line_style(method)
    lines = axes.plot(
        rows["x"],
        rows[measure],
        color=style.colour,
        marker=style.marker,
        markersize=3.5,
        # Between categories there is nothing that a line could lead through.
        linestyle=("-" if style.marker == "o" else "--") if axes.get_xscale() == "log" else "none",
        linewidth=1.2,
        label=method_title(method),
    )
    deviations: list[Line2D] = []
    for row in rows.to_dict("records"):
        x, bounds = [row["x"]] * 2, [row[f"{measure}_low"], row[f"{measure}_high"]]
        lines += axes.plot(x, bounds, "_-", color=style.colour, linewidth=0.9, markersize=4)
        # One seed has no deviation.
        if row["runs"] > 1:
            ends = [row[measure] - row[f"{measure}_sd"], row[measure] + row[f"{measure}_sd"]]
            deviations += axes.plot(x, ends, "_-", color="black", linewidth=0.5, markersize=2)
    at_base = rows[rows[list(Base._fields)].eq(list(base)).all(axis=1)]
    # No ring where the base cannot be told, or was not run on this backbone.
    if len(at_base):
        lines += axes.plot(
            at_base["x"], at_base[measure], "o", color="black", mfc="none", ms=_APART, mew=0.7, label=_BASE
        )
    _move(axes, lines, right)
    _move(axes, deviations, right + _BESIDE)


def _move(axes: Axes, lines: Sequence[Line2D], right: float) -> None:
    # Only once they are drawn: the limits of axes are fitted to lines that lie where their values are.
    for line in lines:
        line.set_transform(offset_copy(axes.transData, axes.get_figure(root=True), x=right, units="points"))


def _on_axis(axes: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out the horizontal axis; returns the rows with their position on it in a column `x`.

    Among categories, numbers come first, in order: `1`, `8`, `all`.
    """
    values = rows["value"].astype(str)
    names = list(dict.fromkeys(values))
    numbers = pd.to_numeric(pd.Series(names), errors="coerce").to_numpy(dtype=np.float64)
    # False for NaN, too: one name among numbers makes them all categories.
    if (numbers > 0).all():
        positions = dict(zip(names, numbers, strict=True))
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        # NaN sorts last, so that names follow the numbers.
        names = [names[index] for index in np.argsort(numbers, kind="stable")]
        positions = {name: float(index) for index, name in enumerate(names)}
        axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(list(positions.values()), names)
    if sum(map(len, names)) > _CHARACTERS:
        axes.tick_params(axis="x", labelrotation=20)
    return rows.assign(x=values.map(positions))
