"""Figures of a study: score histograms, ROC curves, training curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clipn.errors import ClipnError
from clipn.files import atomic
from clipn.metrics import auroc, roc
from clipn.report.series import ScoredRun, Scores, Series, select
from clipn.report.style import (
    DASHES,
    GREY,
    ID_COLOUR,
    OOD_COLOUR,
    PALETTE,
    WIDTH,
    finish,
    house_style,
    method_colour,
    panel_grid,
)
from clipn.scores import SCORES

_BINS = 40

_LOSSES = {
    "total": "Total loss",
    "matched": "ITBO, matched (“yes”)",
    "unmatched": "ITBO, unmatched (“no”)",
    "tso": "TSO",
}


@dataclass(frozen=True)
class RunLog:
    """Training log of one run: columns `step,epoch,matched,unmatched,tso,total,learning_rate`."""

    backbone: str
    variant: str
    seed: int
    log: pd.DataFrame


@house_style()
def score_histograms(
    runs: Sequence[ScoredRun],
    id_dataset: str,
    backbone: str,
    study: str,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Density of scores, ID against OOD: methods down, OOD sets across, bins shared along a row.

    Args:
        runs: scores of the runs; of every variant the lowest seed is shown.
        id_dataset: identifier of the ID dataset.
        backbone: the backbone to show.
        study: printed in the title.
        titles: printed names of datasets; an identifier without one stays as it is.

    Raises:
        ClipnError: no scores of this backbone for this ID dataset, or no OOD set.
    """
    series, sets = _select(runs, backbone, id_dataset)
    titles = titles or {}
    figure = Figure(figsize=(WIDTH, 0.95 * len(series) + 0.9), layout="constrained")
    grid = figure.subplots(len(series), len(sets), squeeze=False, sharex="row", sharey="row")
    for row, item in zip(grid, series, strict=True):
        _histogram_row(row, item, sets)
    for axes, ood in zip(grid[0], sets, strict=True):
        axes.set_title(titles.get(ood, ood))
    figure.suptitle(_title("Score distributions", titles.get(id_dataset, id_dataset), backbone, study))
    figure.supylabel("Density", fontsize=7)
    handles, _ = grid[0, 0].get_legend_handles_labels()
    names = [f"ID: {titles.get(id_dataset, id_dataset)}", "OOD: set named above the column"]
    title = "Score (higher = more in-distribution)"
    figure.legend(handles, names, title=title, title_fontsize=7, loc="outside lower center", ncols=2)
    return finish(figure)


@house_style()
def roc_curves(
    runs: Sequence[ScoredRun],
    id_dataset: str,
    backbone: str,
    study: str,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """ROC with ID as the positive class: one panel per OOD set, one curve per method, AUROC in the legend.

    Arguments and errors as for `score_histograms`.
    """
    series, sets = _select(runs, backbone, id_dataset)
    titles = titles or {}
    figure, panels = panel_grid(len(sets), columns=2, height=2.2)
    variants = list(dict.fromkeys(item.variant for item in series if item.variant != "none"))
    for axes, ood in zip(panels, sets, strict=True):
        axes.set_title(titles.get(ood, ood))
        for item in (item for item in series if ood in item.unknown):
            dash = DASHES[variants.index(item.variant) % len(DASHES)] if item.variant in variants else "-"
            _roc_curve(axes, item, ood, dash)
        _roc_frame(axes)
    figure.suptitle(_title("ROC curves", titles.get(id_dataset, id_dataset), backbone, study))
    figure.supxlabel("False positive rate (share of OOD accepted)", fontsize=7)
    figure.supylabel("True positive rate (share of ID accepted; dashed: 95 %)", fontsize=7)
    return finish(figure)


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
        for (name, log), colour in zip(backbone_logs.items(), cycle(reversed(PALETTE))):
            panels[-1].plot(log["step"], log["loss"], color=colour, label=name)
        panels[-1].set_title("Backbone, contrastive loss")
        panels[-1].legend()
    for axes in panels:
        axes.set(xlabel="Step", ylabel="Loss")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle(f"Training, study: {study}; bold: mean over seeds, thin: single seeds")
    if logs:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return finish(figure)


@house_style()
def save(figure: Figure, png: Path, pdf: Path) -> None:
    """Write `figure` as PNG (150 dpi) and PDF; the same figure gives the same bytes."""
    with atomic(png) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    with atomic(pdf) as temporary:
        nothing = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(temporary, format="pdf", metadata=nothing)


def _select(runs: Sequence[ScoredRun], backbone: str, id_dataset: str) -> tuple[list[Series], list[str]]:
    series = select(runs, backbone, id_dataset)
    sets = list(dict.fromkeys(ood for item in series for ood in item.unknown))
    if not sets:
        raise ClipnError(f"scores of {backbone}: no OOD set for {id_dataset!r}; add a pair to the study")
    return series, sets


def _title(what: str, id_title: str, backbone: str, study: str) -> str:
    return f"{what}, ID: {id_title}\nstudy: {study}, backbone: {backbone}, first seed of each variant"


def _histogram_row(row: Sequence[Axes], item: Series, sets: Sequence[str]) -> None:
    bins = _bins(np.concatenate([item.known, *item.unknown.values()]))
    for axes, ood in zip(row, sets, strict=True):
        for scores, colour in ((item.known, ID_COLOUR), (item.unknown.get(ood), OOD_COLOUR)):
            if scores is not None:
                density, _ = np.histogram(scores, bins, density=True)
                axes.stairs(density, bins, fill=True, color=colour, alpha=0.35)
                axes.stairs(density, bins, color=colour, linewidth=0.8, label=colour)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.set_yticks([])
    unit = "\nlog-odds" if item.method in SCORES and SCORES[item.method].log_odds else ""
    row[0].set_ylabel(item.label.replace(" (", "\n(") + unit)


def _bins(scores: Scores) -> Scores:
    """Edges over the range of `scores`; one unit wide where they are constant but for float noise."""
    low, high = float(scores.min()), float(scores.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def _roc_curve(axes: Axes, item: Series, ood: str, dash: str) -> None:
    accepted_ood, accepted_id = roc(item.known, item.unknown[ood])
    value = auroc(item.known, item.unknown[ood])
    colour = method_colour(item.method)
    axes.plot(accepted_ood, accepted_id, dash, color=colour, label=f"{100 * value:.1f}  {item.label}")


def _roc_frame(axes: Axes) -> None:
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
    )


def _loss_panel(axes: Axes, logs: Sequence[RunLog], column: str) -> None:
    groups: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for run in logs:
        groups.setdefault((run.backbone, run.variant), []).append(run.log)
    for (names, members), colour in zip(groups.items(), cycle(reversed(PALETTE[:6]))):
        for log in members:
            axes.plot(log["step"], log[column], color=colour, linewidth=0.5, alpha=0.45)
        mean = pd.concat(members).groupby("step")[column].mean()
        axes.plot(mean.index, mean, color=colour, label=", ".join(names))
