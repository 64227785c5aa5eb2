"""ROC curves of every method against every OOD set."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipn.metrics import roc
from clipn.report.figures.context import FigureContext
from clipn.report.figures.series import Series, main_variant, ood_datasets_of, select
from clipn.report.figures.style import DASHES, GREY, WIDTH, Dash, finish, house_style, line_style
from clipn.report.reading import ScoredRun
from clipn.scores import PLAIN_CLIP

_BETWEEN_MARKERS = 0.24
"""Along a curve, in diagonals of the panel."""

_DIAGONAL = np.concatenate([[0], np.geomspace(1e-6, 1, 200)])
"""Of many points, as it is no straight line on a logarithmic axis."""

_ROW = 2.1
"""Inches of a row of panels."""

_LEGEND = 3
"""Columns of the legend."""


@house_style()
def roc_curves(runs: Sequence[ScoredRun], context: FigureContext) -> Figure:
    """ROC with ID as the positive class: a row per OOD set, the whole curve and that of few false positives.

    One curve per method, with its mean AUROC over the OOD sets in the one legend. The main variant lies on top; what
    scores all images alike is thin and grey. Arguments and errors as for
    `clipn.report.figures.histograms.score_histograms`.
    """
    series = select(runs, context.backbone, context.id_dataset)
    ood_datasets = ood_datasets_of(series, context.backbone, context.id_dataset)
    legend = 0.125 * -(-len(series) // _LEGEND)
    figure = Figure(figsize=(WIDTH, _ROW * len(ood_datasets) + legend + 0.9), layout="constrained")
    grid = figure.subplots(len(ood_datasets), 2, squeeze=False)
    for (whole, few), ood in zip(grid, ood_datasets, strict=True):
        whole.set_title(context.title(ood))
        few.set_title(f"{context.title(ood)}, few false positives")
        for axes in (whole, few):
            _panel(axes, series, ood)
        whole.set(xlim=(0, 1), xticks=np.linspace(0, 1, 6))
        images = max(len(item.ood_scores.get(ood, ())) for item in series)
        # A single image is the smallest share that there is.
        few.set(xscale="log", xlim=(1 / images, 1))
        few.xaxis.set_major_formatter("{x:g}")
    for axes in grid[-1]:
        axes.set_xlabel("False positive rate (share of OOD accepted)")
    figure.suptitle(context.heading("ROC curves", "first seed of each variant", "dashed: 95 % of ID accepted"))
    figure.supylabel("True positive rate (share of ID accepted)", fontsize=7)
    # By label, as a method may be missing from some panels.
    handles = {
        label: handle for axes in grid.ravel() for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        title="Mean AUROC over the OOD sets (%)",
        title_fontsize=6.5,
        loc="outside lower center",
        ncols=_LEGEND,
        # Long enough for a dash to be seen beside its marker.
        handlelength=4,
        labelspacing=0.35,
    )
    return finish(figure)


def _panel(axes: Axes, series: Sequence[Series], ood: str) -> None:
    variants = list(dict.fromkeys(item.variant for item in series if item.variant != PLAIN_CLIP))
    main = main_variant(series)
    for index, item in enumerate(series):
        if ood not in item.ood_scores:
            continue
        style = line_style("control" if item.is_flat else item.method)
        # Colour and marker tell the method; where a method comes in several variants, the dash tells them apart.
        dash: Dash = style.dash
        if item.variant in variants:
            dash = DASHES[variants.index(item.variant) % len(DASHES)]
        # Each curve starts its markers elsewhere, or those of near curves would hide each other.
        first_marker = _BETWEEN_MARKERS * (0.2 + 0.8 * index / len(series))
        curve = roc(item.id_scores, item.ood_scores[ood])
        axes.plot(
            *((_DIAGONAL, _DIAGONAL) if item.is_flat else curve),
            linestyle=dash,
            color=style.colour,
            linewidth=0.6 if item.is_flat else style.width,
            marker=None if item.is_flat else style.marker,
            markersize=3.5,
            markeredgewidth=0.7,
            markerfacecolor=style.face,
            markevery=(first_marker, _BETWEEN_MARKERS),
            zorder=1 if item.is_flat else 3 if item.variant == main else 2,
            label=f"{item.auroc:.1f}  {item.label}",
        )
    axes.axhline(0.95, color=GREY, linewidth=0.6, linestyle="--")
    # A little above 1, so that a perfect curve does not vanish in the frame.
    axes.set(ylim=(0, 1.005), yticks=np.linspace(0, 1, 6))
