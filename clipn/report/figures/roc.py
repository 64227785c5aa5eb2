"""ROC curves of every method against every OOD set."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipn.metrics import auroc, roc
from clipn.report.figures.context import FigureContext
from clipn.report.figures.series import Series, ood_datasets_of, select
from clipn.report.figures.style import DASHES, GREY, Dash, finish, house_style, line_style, panel_grid
from clipn.report.reading import ScoredRun
from clipn.scores import PLAIN_CLIP

_BETWEEN_MARKERS = 0.24
"""Along a curve, in diagonals of the panel."""


@house_style()
def roc_curves(runs: Sequence[ScoredRun], context: FigureContext) -> Figure:
    """ROC with ID as the positive class: one panel per OOD set, one curve per method, AUROC in the legend.

    Arguments and errors as for `clipn.report.figures.histograms.score_histograms`.
    """
    series = select(runs, context.backbone, context.id_dataset)
    ood_datasets = ood_datasets_of(series, context.backbone, context.id_dataset)
    # The legend stands beside its panel, one line per method, and may be higher than a readable panel.
    figure, panels = panel_grid(len(ood_datasets), columns=2, height=max(2.2, 0.125 * len(series) + 0.6))
    for axes, ood in zip(panels, ood_datasets, strict=True):
        axes.set_title(context.title(ood))
        _panel(axes, series, ood)
    figure.suptitle(context.heading("ROC curves", "first seed of each variant"))
    figure.supxlabel("False positive rate (share of OOD accepted); dashed: 95 % of ID accepted", fontsize=7)
    figure.supylabel("True positive rate (share of ID accepted)", fontsize=7)
    return finish(figure)


def _panel(axes: Axes, series: Sequence[Series], ood: str) -> None:
    variants = list(dict.fromkeys(item.variant for item in series if item.variant != PLAIN_CLIP))
    for index, item in enumerate(series):
        if ood not in item.ood_scores:
            continue
        style = line_style(item.method)
        # Colour and marker tell the method; where a method comes in several variants, the dash tells them apart.
        dash: Dash = style.dash
        if item.variant in variants:
            dash = DASHES[variants.index(item.variant) % len(DASHES)]
        # Each curve starts its markers elsewhere, or those of near curves would hide each other.
        first_marker = _BETWEEN_MARKERS * (0.2 + 0.8 * index / len(series))
        axes.plot(
            *roc(item.id_scores, item.ood_scores[ood]),
            linestyle=dash,
            color=style.colour,
            linewidth=style.width,
            marker=style.marker,
            markersize=3.5,
            markeredgewidth=0.7,
            markerfacecolor=style.face,
            markevery=(first_marker, _BETWEEN_MARKERS),
            label=f"{100 * auroc(item.id_scores, item.ood_scores[ood]):.1f}  {item.label}",
        )
    axes.axhline(0.95, color=GREY, linewidth=0.6, linestyle="--")
    # A little above 1, so that a perfect curve does not vanish in the frame.
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    axes.set(xticks=np.linspace(0, 1, 6), yticks=[0, 0.2, 0.4, 0.6, 0.8, 0.95])
    axes.legend(
        title="AUROC (%)",
        title_fontsize=6,
        fontsize=6,
        alignment="left",
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        # Long enough for a dash to be seen beside its marker.
        handlelength=4,
        labelspacing=0.35,
    )
