"""Similarity of images to the "yes" and "no" texts: which class a text affirms or denies of which images."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clipn.report.escaping import one_line
from clipn.report.figures.context import FigureContext
from clipn.report.figures.style import WIDTH, finish, house_style, sentence

_UNDECIDED, _LEAST = 0.5, 0.05
"""Middle of the colours of p_no, and the least distance from it that they span."""


@house_style()
def similarity(table: pd.DataFrame, context: FigureContext, variant: str, classes: int) -> Figure:
    """Two heat maps, image class down and class named in the text across: cosine with "yes", and p_no.

    Args:
        table: columns `image_class,text_class,yes,no,p_no`, means over the images of a class: every class shown with
            every class named, in the same order.
        context: study, ID dataset and backbone, printed in the title.
        variant: printed in the title.
        classes: how many the ID dataset has.

    Returns:
        A figure; one that holds a single sentence where the table has no rows, as no image has a label.
    """
    if table.empty:
        run = f"study: {context.study}, backbone: {context.backbone}, variant: {variant}"
        return sentence(f"No image has a label to compare with texts, ID: {context.id_title}\n{run}")
    shown = math.isqrt(len(table))
    names = list(map(one_line, table["text_class"][:shown]))
    yes, p_no = (table[of].to_numpy(dtype=np.float64).reshape(shown, shown) for of in ("yes", "p_no"))
    figure = Figure(figsize=(WIDTH, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _map(left, yes, names, "cividis", Normalize(), "“Yes” text: mean cosine")
    # A "no" that learned nothing says 0.5 to all: without a least reach its noise would fill the whole colour map.
    reach = np.abs(p_no - _UNDECIDED).max()
    norm = CenteredNorm(_UNDECIDED, max(float(reach), _LEAST))
    _map(right, p_no, names, "PuOr", norm, "“No” text: mean p(no), 0.5 = undecided")
    notes = [f"{shown} of {classes} classes, spread over all"] * (shown < classes)
    figure.suptitle(context.heading("Similarity to “yes” and “no” texts", f"variant: {variant}", *notes))
    left.set_ylabel("class shown in the image")
    return finish(figure)


def _map(
    axes: Axes, values: NDArray[np.float64], names: Sequence[str], colours: str, norm: Normalize, title: str
) -> None:
    image = axes.imshow(values, cmap=colours, norm=norm, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(title=title, xlabel="class named in the text")
    axes.figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=30).outline.set_linewidth(0.4)
    for (row, column), value in np.ndenumerate(values):
        # Luminance, roughly (Rec. 709 weights on sRGB): text in one colour would vanish in parts of either map.
        luminance = float(np.dot(image.cmap(norm(value))[:3], (0.2126, 0.7152, 0.0722)))
        colour = "white" if luminance < 0.45 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=5.5, color=colour)
