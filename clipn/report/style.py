"""Look of all figures: type, colours that colour-blind readers can tell apart, grids of panels."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context

from clipn.scores import SCORES

WIDTH = 7.2
"""Inches; two columns of a paper."""

ID_COLOUR, OOD_COLOUR, GREY = "#0072B2", "#D55E00", "#777777"

PALETTE = ("#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#0072B2", "#D55E00", "#000000", "#8C564B")
"""Okabe and Ito's colours, reordered so that the two CLIPN rules get the strongest."""

DASHES = ("-", ":", "--", "-.")

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 8.5,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Use the house settings, whatever the user's own are; as a context or a decorator."""
    with context(_SETTINGS, after_reset=True):
        yield


def method_colour(method: str) -> str:
    """Colour by place in `clipn.scores.SCORES`; grey for a name that is not registered."""
    return PALETTE[list(SCORES).index(method) % len(PALETTE)] if method in SCORES else GREY


def panel_grid(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Figure of page width with `count` panels, `height` inches each, in rows of at most `columns`."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH, rows * height + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def finish(figure: Figure) -> Figure:
    """Fix the layout now, so that every later drawing has the same geometry."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure
