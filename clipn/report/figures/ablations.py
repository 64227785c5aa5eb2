"""What one setting does: average AUROC and FPR95 against its value."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from clipn.errors import ClipnError
from clipn.report.figures.style import GREY, WIDTH, finish, heading, house_style, look, methods_in_order
from clipn.report.formatting import method_title, setting_title

_MEASURES = {"auroc": "AUROC (%), average", "fpr95": "FPR95 (%), average"}
_SHARED = "backbone"
"""The one setting whose panel shows several backbones."""

_CHARACTERS = 60
"""Of all values together; more would overlap if they stood side by side."""


class Base(NamedTuple):
    """What all ablations differ from in one setting."""

    backbone: str
    variant: str | None
    """None: it cannot be told."""

    prompts: str


@house_style()
def ablations(
    table: pd.DataFrame, study: str, titles: Mapping[str, str] | None = None, base: str | None = None
) -> Figure:
    """Averages over the OOD sets against the value of one setting per row; the base value is ringed.

    A setting whose values are all positive numbers has a logarithmic axis, any other one categories. Settings other
    than the backbone are shown for the backbone with the most rows.

    Args:
        table: of `clipn.report.tables.ablations.ablations_table`, percent, of one ID dataset.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.
        base: the variant that all others differ from; None: the one that the most settings share.

    Raises:
        ClipnError: no rows, or several ID datasets.
    """
    if table["id"].nunique() != 1:
        raise ClipnError(f"ablations: rows of {table['id'].nunique()} ID datasets; draw those of one")
    reference = _base(table, base)
    rows = table[(table["setting"] == _SHARED) | (table["backbone"] == reference.backbone)]
    settings = list(dict.fromkeys(rows["setting"]))
    figure = Figure(figsize=(WIDTH, 1.2 * len(settings) + 0.9), layout="constrained")
    grid = figure.subplots(len(settings), 2, squeeze=False)
    for line, setting in zip(grid, settings, strict=True):
        for axes, measure in zip(line, _MEASURES, strict=True):
            _panel(axes, rows[rows["setting"] == setting], measure, reference)
            axes.set_xlabel(setting_title(setting))
    for axes, title in zip(grid[0], _MEASURES.values(), strict=True):
        axes.set_title(title)
    known = str(table["id"].iloc[0])
    heading(figure, "Ablations", (titles or {}).get(known, known), study, f"backbone: {reference.backbone}")
    handles = {
        label: handle for axes in grid.ravel() for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return finish(figure)


def _base(table: pd.DataFrame, variant: str | None) -> Base:
    """The most frequent backbone and prompt pool, and a variant that is in more settings than any other."""
    settings = table.groupby("variant", sort=False)["setting"].nunique()
    shared = settings[settings == settings.max()].index
    backbone, prompts = (str(table[column].value_counts(sort=False).idxmax()) for column in ("backbone", "prompts"))
    return Base(backbone, variant or (str(shared[0]) if len(shared) == 1 else None), prompts)


def _panel(axes: Axes, rows: pd.DataFrame, measure: str, base: Base) -> None:
    rows = _axis(axes, rows)
    for method in sorted(dict.fromkeys(rows["method"]), key=[*methods_in_order(), *rows["method"]].index):
        _line(axes, rows[rows["method"] == method].sort_values("place", kind="stable"), method, measure)
    at_base = rows[rows[list(Base._fields)].eq(list(base)).all(axis=1)]
    if len(at_base):
        axes.plot(at_base["place"], at_base[measure], "o", color="black", mfc="none", ms=9, mew=0.7, label="base value")
    axes.margins(y=0.25)
    axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.4)


def _axis(axes: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out the horizontal axis; returns the rows with their place on it in a column `place`.

    Among categories, numbers come first, in order: `1`, `8`, `all`.
    """
    values = rows["value"].astype(str)
    names = list(dict.fromkeys(values))
    numbers = pd.to_numeric(pd.Series(names), errors="coerce").to_numpy(dtype=np.float64)
    if (numbers > 0).all():
        places = dict(zip(names, numbers, strict=True))
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        names = [names[place] for place in np.argsort(numbers, kind="stable")]
        places = {name: float(place) for place, name in enumerate(names)}
        axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(list(places.values()), names)
    if sum(map(len, names)) > _CHARACTERS:
        axes.tick_params(axis="x", labelrotation=20)
    return rows.assign(place=values.map(places))


def _line(axes: Axes, part: pd.DataFrame, method: str, measure: str) -> None:
    style = look(method)
    axes.errorbar(
        part["place"],
        part[measure],
        part[f"{measure}_sd"],
        color=style.colour,
        marker=style.marker,
        markersize=3.5,
        linestyle="-" if style.marker == "o" else "--",
        linewidth=1.2,
        elinewidth=0.8,
        capsize=2,
        label=f"{method_title(method)}, ± SD over seeds",
    )
