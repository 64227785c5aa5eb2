"""ROC curves of every method against every OOD set."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipn.metrics import auroc, roc
from clipn.report.figures.series import PLAIN, Series, select, sets_of
from clipn.report.figures.style import DASHES, GREY, finish, heading, house_style, look, panel_grid
from clipn.report.reading import ScoredRun

_BETWEEN_MARKERS = 0.24
"""Along a curve, in diagonals of the panel."""


@house_style()
def roc_curves(
    runs: Sequence[ScoredRun],
    id_dataset: str,
    backbone: str,
    study: str,
    titles: Mapping[str, str] | None = None,
    variants: Sequence[str] | None = None,
    prompts: str | None = None,
) -> Figure:
    """ROC with ID as the positive class: one panel per OOD set, one curve per method, AUROC in the legend.

    Arguments and errors as for `score_histograms`.
    """
    series = select(runs, backbone, id_dataset, variants, prompts)
    sets = sets_of(series, backbone, id_dataset)
    titles = titles or {}
    figure, panels = panel_grid(len(sets), columns=2, height=max(2.2, 0.125 * len(series) + 0.6))
    for axes, ood in zip(panels, sets, strict=True):
        axes.set_title(titles.get(ood, ood))
        _curves(axes, series, ood)
        _frame(axes)
    known = titles.get(id_dataset, id_dataset)
    heading(figure, "ROC curves", known, study, f"backbone: {backbone}", "first seed of each variant")
    figure.supxlabel("False positive rate (share of OOD accepted); dashed: 95 % of ID accepted", fontsize=7)
    figure.supylabel("True positive rate (share of ID accepted)", fontsize=7)
    return finish(figure)


def _curves(axes: Axes, series: Sequence[Series], ood: str) -> None:
    variants = list(dict.fromkeys(item.variant for item in series if item.variant != PLAIN))
    for place, item in enumerate(series):
        if ood in item.unknown:
            dash = DASHES[variants.index(item.variant) % len(DASHES)] if item.variant in variants else None
            _curve(axes, item, ood, dash, first_marker=_BETWEEN_MARKERS * (0.2 + 0.8 * place / len(series)))


def _curve(axes: Axes, item: Series, ood: str, dash: str | None, first_marker: float) -> None:
    """One curve; its markers stand elsewhere than those of its neighbours."""
    value = auroc(item.known, item.unknown[ood])
    style = look(item.method)
    axes.plot(
        *roc(item.known, item.unknown[ood]),
        dash or style.dash,
        color=style.colour,
        linewidth=style.width,
        marker=style.marker,
        markersize=3.5,
        markeredgewidth=0.7,
        markerfacecolor=style.face,
        markevery=(first_marker, _BETWEEN_MARKERS),
        label=f"{100 * value:.1f}  {item.label}",
    )


def _frame(axes: Axes) -> None:
    axes.axhline(0.95, color=GREY, linewidth=0.6, linestyle="--")
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    axes.set(xticks=np.linspace(0, 1, 6), yticks=[0, 0.2, 0.4, 0.6, 0.8, 0.95])
    axes.legend(
        title="AUROC (%)",
        title_fontsize=6,
        fontsize=6,
        alignment="left",
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        handlelength=2.6,
        labelspacing=0.35,
    )
