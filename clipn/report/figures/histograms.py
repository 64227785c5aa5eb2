"""Score histograms: how far a method keeps ID and OOD images apart."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clipn.report.figures.context import FigureContext
from clipn.report.figures.series import Series, main_variant, ood_datasets_of, select
from clipn.report.figures.style import ID_COLOUR, OOD_COLOUR, WIDTH, finish, house_style
from clipn.report.reading import ScoredRun
from clipn.scores import SCORES

_BINS = 40
_PAGE, _HIGH = 8.2, 0.95
"""Inches: of all rows together where they fit, and of one row at most."""

_ROWS = 10


@house_style()
def score_histograms(runs: Sequence[ScoredRun], context: FigureContext) -> Figure:
    """Density of scores, ID against OOD: methods down, OOD sets across, bins shared along a row.

    At most ten rows: the rules of the main variant, then what has the highest mean AUROC over the OOD sets. What scores
    all images alike is left out.

    Args:
        runs: scores of the runs; of every variant the lowest seed is shown.
        context: study, ID dataset and backbone to show.

    Raises:
        ClipnError: no scores of this backbone for this ID dataset, or no OOD set.
    """
    every = select(runs, context.backbone, context.id_dataset)
    ood_datasets = ood_datasets_of(every, context.backbone, context.id_dataset)
    series = _shown(every)
    height = min(_PAGE / len(series), _HIGH)
    figure = Figure(figsize=(WIDTH, height * len(series) + 0.9), layout="constrained")
    grid = figure.subplots(len(series), len(ood_datasets), squeeze=False, sharex="row", sharey="row")
    for row, item in zip(grid, series, strict=True):
        _row(row, item, ood_datasets)
    for axes, ood in zip(grid[0], ood_datasets, strict=True):
        axes.set_title(context.title(ood))
    others = sum(not item.is_flat for item in every) - len(series)
    notes = ["first seed of each variant", *[f"without {others} of lower AUROC"] * (others > 0)]
    figure.suptitle(context.heading("Score distributions", *notes))
    figure.supylabel("Density", fontsize=7)
    handles, _ = grid[0, 0].get_legend_handles_labels()
    names = [f"ID: {context.id_title}", "OOD: set named above the column (hatched)"]
    title = "Score (higher = more in-distribution)"
    figure.legend(handles, names, title=title, title_fontsize=7, loc="outside lower center", ncols=2)
    return finish(figure)


def _shown(series: Sequence[Series]) -> list[Series]:
    """At most `_ROWS` of them, in their order; all that are flat if there are no others."""
    main = main_variant(series)
    candidates = [item for item in series if not item.is_flat] or list(series)
    best = sorted(candidates, key=lambda item: (item.variant != main, -item.auroc))[:_ROWS]
    return [item for item in series if item in best]


def _row(row: Sequence[Axes], item: Series, ood_datasets: Sequence[str]) -> None:
    scores = np.concatenate([item.id_scores, *item.ood_scores.values()])
    low, high = float(scores.min()), float(scores.max())
    # Bins of the width of float noise would blow it up.
    if item.is_flat:
        low, high = low - 0.5, high + 0.5
    bins = np.linspace(low, high, _BINS + 1)
    for axes, ood in zip(row, ood_datasets, strict=True):
        for part, colour, hatch in ((item.id_scores, ID_COLOUR, ""), (item.ood_scores.get(ood), OOD_COLOUR, "//////")):
            if part is not None:
                density, _ = np.histogram(part, bins, density=True)
                # Twice, as `alpha` would make the outline as pale as the filling.
                axes.stairs(
                    density, bins, fill=True, color=colour, alpha=0.35, linewidth=0, hatch=hatch, hatchcolor=colour
                )
                axes.stairs(density, bins, color=colour, linewidth=0.8, label=colour)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="x", pad=1.5)
        # Heights of densities mean nothing across rows of different units.
        axes.set_yticks([])
    unit = "\nlog-odds" if item.method in SCORES and SCORES[item.method].log_odds else ""
    row[0].set_ylabel(item.label.replace(" (", "\n(") + unit, rotation=0, ha="right", va="center")
