"""The most confident mistakes of a run, as images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from PIL import Image, ImageOps

from clipn.report.figures.style import WIDTH, finish, heading, house_style, sentence
from clipn.report.formatting import method_title

_COLUMNS = 6
_SIDE = 160
"""Pixels of the square into which every image is fitted whole."""

_CHARACTERS = 23
"""Of a line below an image."""

_ROW, _TITLE = 1.5, 0.3
"""Inches: of a row of images, and of the title of a block."""


@dataclass(frozen=True)
class Mistake:
    """An image with a score that is wrong about it."""

    image: Image.Image
    truth: str
    """OOD dataset, or the true class of an ID image."""

    taken_for: str
    """The predicted class."""

    score: float
    """Probability of being in-distribution, in [0, 1]."""

    known: bool
    """Whether the image is in-distribution."""


@house_style()
def mistakes(
    gallery: Sequence[Mistake],
    study: str,
    id_title: str,
    backbone: str,
    variant: str,
    method: str,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """OOD images of the highest scores and ID images of the lowest, most confident first.

    Args:
        gallery: the images to show, in any order.
        study: printed in the title.
        id_title: printed name of the ID dataset.
        backbone: printed in the title.
        variant: printed in the title.
        method: whose scores they are; printed in the title.
        titles: printed names of OOD datasets; an identifier without one stays as it is.

    Returns:
        A figure; one that holds a single sentence where nothing was mistaken.
    """
    notes = (f"backbone: {backbone}", f"variant: {variant}")
    if not gallery:
        run = ", ".join([f"study: {study}", *notes])
        return finish(sentence(f"No mistakes of {method_title(method)}, ID: {id_title}\n{run}"))
    accepted = sorted((item for item in gallery if not item.known), key=lambda item: -item.score)
    rejected = sorted((item for item in gallery if item.known), key=lambda item: item.score)
    blocks = {"Accepted, though unknown": accepted, "Rejected, though known": rejected}
    blocks = {title: members for title, members in blocks.items() if members}
    heights = [math.ceil(len(members) / _COLUMNS) * _ROW + _TITLE for members in blocks.values()]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False).ravel()
    for part, (title, members) in zip(parts, blocks.items(), strict=True):
        part.suptitle(title, fontsize=7.5, fontweight="bold")
        _block(part, members, titles or {})
    what = f"Most confident mistakes of {method_title(method)}"
    heading(figure, what, id_title, study, *notes, "%: probability of ID")
    return finish(figure)


def _block(part: SubFigure, members: Sequence[Mistake], titles: Mapping[str, str]) -> None:
    grid = part.subplots(math.ceil(len(members) / _COLUMNS), _COLUMNS, squeeze=False).ravel()
    for axes in grid[len(members) :]:
        axes.set_axis_off()
    for axes, item in zip(grid, members, strict=False):
        _picture(axes, item, item.truth if item.known else titles.get(item.truth, item.truth))


def _picture(axes: Axes, item: Mistake, truth: str) -> None:
    axes.imshow(ImageOps.pad(item.image.convert("RGB"), (_SIDE, _SIDE), color="white"))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    percent = f", {_percent(item.score)}"
    lines = [_cut(truth, _CHARACTERS - len(percent)) + percent, _cut(f"as {item.taken_for}", _CHARACTERS)]
    axes.set_xlabel("\n".join(lines), fontsize=6)


def _percent(score: float) -> str:
    """A probability in percent; what would round to 0 or 100 says on which side it lies."""
    if score < 0.0005:
        return "<0.1 %"
    return ">99.9 %" if score >= 0.9995 else f"{100 * score:.1f} %"


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1].rstrip()}…"
