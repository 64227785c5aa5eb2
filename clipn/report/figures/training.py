"""Training curves of CLIPN and of the backbones that were trained here."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clipn.errors import ClipnError
from clipn.report.figures.style import DASHES, PALETTE, finish, house_style, panel_grid
from clipn.report.reading import RunLog

_LOSSES = {
    "total": "Total loss",
    "matched": "ITBO, matched (“yes”)",
    "unmatched": "ITBO, unmatched (“no”)",
    "tso": "TSO",
}


@house_style()
def training_curves(logs: Sequence[RunLog], backbone_logs: Mapping[str, pd.DataFrame], study: str) -> Figure:
    """Loss against step: the parts of the training loss, and the loss of backbones made in the pipeline.

    Args:
        logs: training logs; per (backbone, variant) the mean over seeds is bold and each seed thin.
        backbone_logs: name of a backbone -> its log, columns `step,epoch,loss,learning_rate`; may be empty.
        study: printed in the title.

    Raises:
        ClipnError: there is no log at all.
    """
    if not logs and not backbone_logs:
        raise ClipnError("training curves: no training log; train a run of this study first")
    parts = _LOSSES if logs else {}
    figure, panels = panel_grid(len(parts) + bool(backbone_logs), columns=3, height=2.0)
    for axes, (column, title) in zip(panels, parts.items(), strict=False):
        _loss_panel(axes, logs, column)
        axes.set_title(title)
    if backbone_logs:
        _backbone_panel(panels[-1], backbone_logs)
    for axes in panels:
        axes.set(xlabel="Step", ylabel="Loss")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle(f"Training, study: {study}; bold: mean over seeds, thin: single seeds")
    if logs:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=2.6)
    return finish(figure)


def _backbone_panel(axes: Axes, logs: Mapping[str, pd.DataFrame]) -> None:
    for (name, log), colour in zip(logs.items(), cycle(reversed(PALETTE))):
        axes.plot(log["step"], log["loss"], color=colour, label=name)
    axes.set_title("Backbone, contrastive loss")
    axes.legend()


def _loss_panel(axes: Axes, logs: Sequence[RunLog], column: str) -> None:
    groups: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for run in logs:
        groups.setdefault((run.backbone, run.variant), []).append(run.log)
    colours = list(reversed(PALETTE[:6]))
    for place, (names, members) in enumerate(groups.items()):
        colour, dash = colours[place % len(colours)], DASHES[place // len(colours) % len(DASHES)]
        for log in members:
            axes.plot(log["step"], log[column], dash, color=colour, linewidth=0.5, alpha=0.45)
        mean = pd.concat(members).groupby("step")[column].mean()
        axes.plot(mean.index, mean, dash, color=colour, label=", ".join(names))
