"""Style of all figures: type, colours that colour-blind readers can tell apart, grids of panels."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context

from clipn.scores import SCORES

WIDTH = 7.2
"""Inches; two columns of a paper."""

ID_COLOUR, OOD_COLOUR, GREY = "#0072B2", "#D55E00", "#777777"

PALETTE = ("#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#0072B2", "#D55E00", "#000000", "#8C564B")
"""Okabe and Ito's colours and a brown."""

Dash = str | tuple[float, tuple[float, ...]]
DASHES: tuple[Dash, ...] = (
    "-",
    ":",
    "--",
    "-.",
    (0, (1.5, 1)),
    (0, (4, 1.5, 1, 1.5, 1, 1.5)),
    (0, (1, 4)),
    (0, (5, 1.5, 2, 1.5)),
)
"""Of matplotlib: names, or an offset with the lengths of lines and gaps in widths of the line."""

MARKERS = ("s", "^", "v", "P", "X", "<", ">", "*", "d", "p", "h", "+", "1", "2", "3")

_STRONG = ((ID_COLOUR, "o"), (OOD_COLOUR, "D"))
_WEAK = ("#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#000000", "#8C564B")
_WEAK_DASHES = ("-", "--", ":")

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 150,
    "figure.titlesize": 8.5,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "hatch.linewidth": 0.4,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    # Names and titles come from data, where a dollar is a dollar.
    "text.parse_math": False,
    "lines.linewidth": 1.2,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    # TrueType, which publishers ask for; the default, Type 3, cannot be edited or searched everywhere.
    "pdf.fonttype": 42,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Use the house settings, whatever the user's own are; as a context or a decorator."""
    with context(_SETTINGS, after_reset=True):
        yield


@dataclass(frozen=True)
class LineStyle:
    """How a method is drawn."""

    colour: str
    marker: str
    dash: str
    width: float
    filled: bool
    """Markers: full, or white inside."""

    @property
    def face(self) -> str:
        """Colour inside a marker."""
        return self.colour if self.filled else "white"


def methods_in_order() -> list[str]:
    """Registered methods as figures show them: the baselines, then those that need a "no" tower."""
    return sorted(SCORES, key=lambda method: SCORES[method].needs_no)


def line_style(method: str) -> LineStyle:
    """CLIPN's rules thick and filled in the strongest colours, baselines thin and hollow; other names grey.

    No two of CLIPN's two rules and fourteen baselines look alike, with colour or without.
    """
    if method not in SCORES:
        return LineStyle(GREY, "x", "-", 0.9, filled=False)
    strong = SCORES[method].needs_no
    # By place among the registered methods, so that a method is drawn alike in a study that leaves out another.
    index = [name for name in SCORES if SCORES[name].needs_no == strong].index(method)
    if strong:
        colour, marker = _STRONG[index % len(_STRONG)]
        return LineStyle(colour, marker, "-", 1.7, filled=True)
    # There are more baselines than colours that colour-blind readers can tell apart: the later ones are dashed.
    dash = _WEAK_DASHES[index // len(_WEAK) % len(_WEAK_DASHES)]
    return LineStyle(_WEAK[index % len(_WEAK)], MARKERS[index % len(MARKERS)], dash, 0.9, filled=False)


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
    # The engine would fit the layout anew for every format that is saved. "none" would leave a placeholder of it, for
    # which matplotlib draws once more before it saves.
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine(None)
    return figure


def sentence(text: str) -> Figure:
    """A figure that holds one sentence in its middle."""
    figure = Figure(figsize=(WIDTH, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=8.5)
    return figure
