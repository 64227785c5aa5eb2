"""Calibration on ID images: whether the class that is predicted is right as often as its probability says."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.metrics.calibration import BINS, EDGES, Array, bins_of, expected_calibration_error
from clipn.report.figures.context import FigureContext
from clipn.report.figures.series import first_runs
from clipn.report.figures.style import GREY, ID_COLOUR, PALETTE, WIDTH, finish, house_style, sentence
from clipn.report.reading import ScoredRun
from clipn.scores import CALIBRATION, FITTED

_WRONG = PALETTE[3]
"""Neither the colour of ID nor that of OOD, as all these images are ID."""


@house_style()
def calibration(runs: Sequence[ScoredRun], context: FigureContext) -> Figure:
    """Accuracy against confidence in bins of equal width, the gaps shaded, and how many images are right and wrong.

    Args:
        runs: scores of the runs, of which the first that tells its calibration is shown, fitted classifiers last.
        context: study, ID dataset and backbone to show.

    Returns:
        A figure; one that holds a single sentence where no ID image has a label.

    Raises:
        ClipnError: no scores of this backbone for this ID dataset, or none that tells its calibration.
    """
    # A fitted classifier speaks for itself alone.
    found = sorted(
        first_runs(runs, context.backbone, context.id_dataset), key=lambda run: run.variant.startswith(FITTED)
    )
    scores = next((run.scores for run in found if {*CALIBRATION} <= {*run.scores}), None)
    if scores is None:
        raise ClipnError(f"scores of {context.backbone}: none tells its calibration; score its runs again")
    images = scores[(scores["dataset"] == context.id_dataset) & (scores["label"] >= 0)]
    if images.empty:
        run = f"study: {context.study}, backbone: {context.backbone}"
        return sentence(f"No image has a label to be right about, ID: {context.id_title}\n{run}")
    confidence = images["confidence"].to_numpy()
    is_right = (images["prediction"] == images["label"]).to_numpy()
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _diagram(left, confidence, is_right)
    for chosen, label, colour, hatch in (
        (is_right, "right predictions", ID_COLOUR, ""),
        (~is_right, "wrong predictions", _WRONG, "//////"),
    ):
        counts = np.bincount(bins_of(confidence[chosen]), minlength=BINS)
        right.stairs(
            counts, EDGES, color=colour, fill=not hatch, alpha=None if hatch else 0.35, hatch=hatch, label=label
        )
    right.set(xlim=(0, 1), xlabel="Confidence", ylabel="Images")
    figure.suptitle(context.heading("Calibration of the class probabilities"))
    handles = [handle for axes in (left, right) for handle in axes.get_legend_handles_labels()[0]]
    summary = _summary(images, confidence, is_right)
    figure.legend(handles=handles, title=summary, title_fontsize=7, loc="outside lower center", ncols=5)
    return finish(figure)


def _diagram(axes: Axes, confidence: Array, is_right: NDArray[np.bool_]) -> None:
    """Mean confidence and accuracy of every bin that holds images."""
    bins = bins_of(confidence)
    counts = np.bincount(bins, minlength=BINS)
    filled = counts > 0
    said, true = (
        np.bincount(bins, weights=values, minlength=BINS)[filled] / counts[filled] for values in (confidence, is_right)
    )
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.7, label="calibrated")
    axes.vlines(said, true, said, color=_WRONG, alpha=0.5, linewidth=5, label="gap")
    axes.plot(said, true, "o", color=ID_COLOUR, markersize=3.5, label=f"one of {BINS} bins")
    # A little beyond 0 and 1, so that points there are whole.
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="Mean confidence", ylabel="Accuracy", aspect="equal")


def _summary(images: pd.DataFrame, confidence: Array, is_right: NDArray[np.bool_]) -> str:
    temperature = images["temperature"].iloc[0]
    wanted = "none within reach" if np.isnan(temperature) else f"{temperature:.2f}"
    ece = 100 * expected_calibration_error(confidence, is_right)
    return (
        f"Accuracy {100 * is_right.mean():.1f} %, mean confidence {100 * confidence.mean():.1f} %, ECE {ece:.2f} %, "
        f"Brier {100 * images['brier'].mean():.1f} %, NLL {images['nll'].mean():.2f}; "
        f"temperature that these images would want: {wanted}"
    )
