"""Score histograms: how far a method keeps ID and OOD images apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clipn.report.figures.series import Scores, Series, select, sets_of
from clipn.report.figures.style import ID_COLOUR, OOD_COLOUR, WIDTH, finish, heading, house_style
from clipn.report.reading import ScoredRun
from clipn.scores import SCORES

_BINS = 40
_PAGE, _LOW, _HIGH = 8.2, 0.58, 0.95
"""Inches: of all rows together where they fit, and of one row at least and at most."""


@house_style()
def score_histograms(
    runs: Sequence[ScoredRun],
    id_dataset: str,
    backbone: str,
    study: str,
    titles: Mapping[str, str] | None = None,
    variants: Sequence[str] | None = None,
    prompts: str | None = None,
) -> Figure:
    """Density of scores, ID against OOD: methods down, OOD sets across, bins shared along a row.

    Args:
        runs: scores of the runs; of every variant the lowest seed is shown.
        id_dataset: identifier of the ID dataset.
        backbone: the backbone to show.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.
        variants: the variants to show, in order, beside the methods that have none; None: all.
        prompts: the prompt pool to show; None: the first one met.

    Raises:
        ClipnError: no scores of this backbone for this ID dataset, or no OOD set.
    """
    series = select(runs, backbone, id_dataset, variants, prompts)
    sets = sets_of(series, backbone, id_dataset)
    titles = titles or {}
    height = min(max(_PAGE / len(series), _LOW), _HIGH)
    figure = Figure(figsize=(WIDTH, height * len(series) + 0.9), layout="constrained")
    grid = figure.subplots(len(series), len(sets), squeeze=False, sharex="row", sharey="row")
    for row, item in zip(grid, series, strict=True):
        _row(row, item, sets)
    for axes, ood in zip(grid[0], sets, strict=True):
        axes.set_title(titles.get(ood, ood))
    known = titles.get(id_dataset, id_dataset)
    heading(figure, "Score distributions", known, study, f"backbone: {backbone}", "first seed of each variant")
    figure.supylabel("Density", fontsize=7)
    handles, _ = grid[0, 0].get_legend_handles_labels()
    names = [f"ID: {known}", "OOD: set named above the column (hatched)"]
    title = "Score (higher = more in-distribution)"
    figure.legend(handles, names, title=title, title_fontsize=7, loc="outside lower center", ncols=2)
    return finish(figure)


def _row(row: Sequence[Axes], item: Series, sets: Sequence[str]) -> None:
    bins = _bins(np.concatenate([item.known, *item.unknown.values()]))
    for axes, ood in zip(row, sets, strict=True):
        for scores, colour, hatch in ((item.known, ID_COLOUR, ""), (item.unknown.get(ood), OOD_COLOUR, "//////")):
            if scores is not None:
                density, _ = np.histogram(scores, bins, density=True)
                axes.stairs(
                    density, bins, fill=True, color=colour, alpha=0.35, linewidth=0, hatch=hatch, hatchcolor=colour
                )
                axes.stairs(density, bins, color=colour, linewidth=0.8, label=colour)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="x", pad=1.5)
        axes.set_yticks([])
    unit = "\nlog-odds" if item.method in SCORES and SCORES[item.method].log_odds else ""
    row[0].set_ylabel(item.label.replace(" (", "\n(") + unit, rotation=0, ha="right", va="center")


def _bins(scores: Scores) -> Scores:
    """Edges over the range of `scores`; one unit wide where they are constant but for float noise."""
    low, high = float(scores.min()), float(scores.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)
