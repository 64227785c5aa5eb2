"""Training curves of CLIPN and of the backbones that were trained here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clipn.errors import ClipnError
from clipn.report.figures.saving import save
from clipn.report.figures.style import DASHES, PALETTE, finish, house_style, panel_grid
from clipn.report.reading import RunLog, read_backbone_histories, read_histories

_LOSSES = {
    "total": "Total loss",
    "matched": "ITBO, matched (“yes”)",
    "unmatched": "ITBO, unmatched (“no”)",
    "tso": "TSO",
}


def draw_training_curves(
    histories: Sequence[Path], backbone_histories: Sequence[Path], study: str, png: Path, pdf: Path
) -> None:
    """Draw `training_curves` of the training histories of runs and of backbones, as CSV, and save it."""
    logs, backbone_logs = read_histories(histories), read_backbone_histories(backbone_histories)
    save(training_curves(logs, backbone_logs, study), png, pdf)


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
    groups: dict[tuple[str, str], list[pd.DataFrame]] = defaultdict(list)
    for run in logs:
        groups[run.backbone, run.variant].append(run.log)
    # The strong colours first; black and brown, the last of the palette, mark backbones.
    colours = list(reversed(PALETTE[:6]))
    # Not strict: the backbone's panel, if there is one, comes after those of the parts.
    for axes, (column, title) in zip(panels, parts.items(), strict=False):
        for index, (names, members) in enumerate(groups.items()):
            # By dash, too, for those who cannot tell the colours; the first variant lies on top.
            colour, dash = colours[index % len(colours)], DASHES[index % len(DASHES)]
            order = 3 - index / len(groups)
            for log in members:
                axes.plot(log["step"], log[column], color=colour, linewidth=0.5, alpha=0.45)
            mean = pd.concat(members).groupby("step")[column].mean()
            axes.plot(mean.index, mean, linestyle=dash, color=colour, zorder=order, label=", ".join(names))
        axes.set_title(title)
    if backbone_logs:
        for (name, log), colour in zip(backbone_logs.items(), cycle(reversed(PALETTE))):
            panels[-1].plot(log["step"], log["loss"], color=colour, label=name)
        panels[-1].set_title("Backbone, contrastive loss")
        panels[-1].legend()
    for axes in panels:
        # From nothing on, so that panels of other studies compare.
        axes.set(xlabel="Step", ylabel="Loss", ylim=(min(0, axes.get_ylim()[0]), None))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle(f"Training, study: {study}; bold: mean over seeds, thin: single seeds")
    if logs:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=2.6)
    return finish(figure)
