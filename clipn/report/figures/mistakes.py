"""The most confident mistakes of a run, as images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.figure import Figure, SubFigure
from PIL import Image, ImageOps

from clipn.report.escaping import one_line
from clipn.report.figures.context import FigureContext
from clipn.report.figures.style import WIDTH, finish, house_style, sentence
from clipn.report.formatting import method_title

_COLUMNS = 6
_SIDE = 160
"""Pixels of the square into which every image is fitted whole."""

_CHARACTERS = 24
"""Of a line below an image."""

_ROW, _TITLE = 1.65, 0.3
"""Inches: of a row of images, and of the title of a block."""


@dataclass(frozen=True)
class Mistake:
    """An image with a score that is wrong about it."""

    image: Image.Image
    truth: str
    """OOD dataset, or the true class of an ID image, if it is known."""

    taken_for: str
    """The predicted class."""

    score: float
    """Probability of being in-distribution, in [0, 1]."""

    is_id: bool
    """Whether the image is in-distribution."""


@house_style()
def mistakes(gallery: Sequence[Mistake], context: FigureContext, variant: str, method: str) -> Figure:
    """OOD images of the highest scores and ID images of the lowest, most confident first.

    Args:
        gallery: the images to show, in any order.
        context: study, ID dataset and backbone, printed in the title.
        variant: printed in the title.
        method: whose scores they are; printed in the title.

    Returns:
        A figure; one that holds a single sentence where nothing was mistaken.
    """
    if not gallery:
        run = f"study: {context.study}, backbone: {context.backbone}, variant: {variant}"
        return sentence(f"No mistakes of {method_title(method)}, ID: {context.id_title}\n{run}")
    accepted = sorted((item for item in gallery if not item.is_id), key=lambda item: -item.score)
    rejected = sorted((item for item in gallery if item.is_id), key=lambda item: item.score)
    blocks = {"Accepted, though unknown": accepted, "Rejected, though known": rejected}
    blocks = {title: members for title, members in blocks.items() if members}
    heights = [math.ceil(len(members) / _COLUMNS) * _ROW + _TITLE for members in blocks.values()]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False).ravel()
    for part, (title, members) in zip(parts, blocks.items(), strict=True):
        part.suptitle(title, fontsize=7.5, fontweight="bold")
        _block(part, members, context)
    what = f"Most confident mistakes of {method_title(method)}"
    figure.suptitle(context.heading(what, f"variant: {variant}", "%: probability of ID"))
    return finish(figure)


def _block(figure: SubFigure, members: Sequence[Mistake], context: FigureContext) -> None:
    grid = figure.subplots(math.ceil(len(members) / _COLUMNS), _COLUMNS, squeeze=False).ravel()
    # Hidden, not removed: the images of a row that is not full must keep their width.
    for axes in grid[len(members) :]:
        axes.set_axis_off()
    for axes, item in zip(grid, members, strict=False):
        # Padded, as a crop could cut away what the model saw, and in RGB, as some images are grey or have a palette.
        axes.imshow(ImageOps.pad(item.image.convert("RGB"), (_SIDE, _SIDE), color="white"))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        # A class may be called as a dataset is; only the truth about an OOD image is a dataset.
        truth = item.truth if item.is_id else context.title(item.truth)
        percent = f"{100 * item.score:.1f}\N{NO-BREAK SPACE}%"
        # No score is certain: what would round to 0 or 100 only says on which side of it the probability lies.
        if item.score < 0.0005:
            percent = "<0.1\N{NO-BREAK SPACE}%"
        elif item.score >= 0.9995:
            percent = ">99.9\N{NO-BREAK SPACE}%"
        named = (f"{one_line(truth)}, {percent}", f"as {one_line(item.taken_for)}")
        axes.set_xlabel("\n".join(line for text in named for line in wrap(text, _CHARACTERS)), fontsize=6)
