"""Reliability of CLIPN's threshold-free decisions: what its probabilities are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.special import expit

from clipn.errors import ClipnError
from clipn.report.figures.context import FigureContext
from clipn.report.figures.series import Scores, first_runs
from clipn.report.figures.style import (
    GREY,
    ID_COLOUR,
    MARKERS,
    OOD_COLOUR,
    PALETTE,
    WIDTH,
    finish,
    house_style,
)
from clipn.report.formatting import method_title
from clipn.report.reading import ScoredRun
from clipn.scores import RULES, SCORES

_EDGES = np.linspace(0, 1, 11)
_CENTRES = (_EDGES[:-1] + _EDGES[1:]) / 2
_HEIGHT = 2.5
"""Inches of one variant."""

_COLOURS = [colour for colour in PALETTE if colour not in (ID_COLOUR, OOD_COLOUR)]


@dataclass(frozen=True)
class _Part:
    """One dataset under one rule: the share of its images in every bin, and the share accepted (None: not decided)."""

    name: str
    shares: Scores
    accepted: float | None


@house_style()
def reliability(runs: Sequence[ScoredRun], context: FigureContext) -> Figure:
    """Share of ID among the images of equal probability, ID against each OOD set, both weighted equally.

    Variants down, CTW and ATD across; ten bins, their sizes below; the legend tells what the rule accepts and rejects.
    Arguments as for `clipn.report.figures.histograms.score_histograms`.

    Raises:
        ClipnError: no scores of a rule for this backbone and ID dataset.
    """
    found = [run for run in first_runs(runs, context.backbone, context.id_dataset) if _rules(run)]
    if not found:
        raise ClipnError(
            f"scores of {context.backbone}: no decisions on {context.id_dataset!r}; score a run with a “no” tower"
        )
    columns = max(len(_rules(run)) for run in found)
    figure = Figure(figsize=(WIDTH, _HEIGHT * len(found) + 0.8), layout="constrained")
    for line, run in zip(figure.subfigures(len(found), columns, squeeze=False), found, strict=True):
        # Not strict: a run may lack one of the two rules.
        for part, rule in zip(line, _rules(run), strict=False):
            part.suptitle(f"{method_title(rule)} ({run.variant})", fontsize=7.5)
            _draw(part, run, rule, context)
    figure.suptitle(context.heading("Reliability of the decision", "first seed of each variant"))
    handles = [
        Line2D([], [], color=GREY, linewidth=0.7, linestyle="--", label="calibrated"),
        Patch(color=ID_COLOUR, alpha=0.35, label="ID images per bin"),
        Patch(
            edgecolor=OOD_COLOUR, facecolor="none", hatch="//////", label="OOD images per bin, sets weighted equally"
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return finish(figure)


def _rules(run: ScoredRun) -> list[str]:
    """Methods of a run whose score is the probability behind a rule of the same name."""
    return [name for name in SCORES if name in RULES and SCORES[name].log_odds and name in run.scores]


def _draw(figure: SubFigure, run: ScoredRun, rule: str, context: FigureContext) -> None:
    parts = []
    for name, rows in run.scores.groupby("dataset", sort=False, observed=True):
        counts, _ = np.histogram(expit(rows[rule].to_numpy()), _EDGES)
        decided = f"accepts_{rule}"
        accepted = float(rows[decided].mean()) if decided in rows else None
        # Shares, not counts: a large OOD set would else pull every bin towards OOD.
        parts.append(_Part(str(name), counts / len(rows), accepted))
    of_id, *of_ood = sorted(parts, key=lambda part: part.name != context.id_dataset)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.7)
    for part, colour, marker in zip(of_ood, cycle(_COLOURS), cycle(MARKERS)):
        both = of_id.shares + part.shares
        # NaN leaves a gap where a bin is empty; 0 would say that all of its images are OOD.
        share = np.divide(of_id.shares, both, out=np.full(len(both), np.nan), where=both > 0)
        rejected = "" if part.accepted is None else f": {100 * (1 - part.accepted):.1f} % rejected"
        label = f"{context.title(part.name)}{rejected}"
        upper.plot(_CENTRES, share, marker=marker, color=colour, markersize=3.5, linewidth=1, label=label)
    title = context.title(of_id.name)
    if of_id.accepted is not None:
        title += f": {100 * of_id.accepted:.1f} % accepted"
    upper.set(ylim=(-0.02, 1.02), ylabel="Share of ID")
    upper.legend(
        title=title, title_fontsize=6, fontsize=6, alignment="left", loc="center left", bbox_to_anchor=(1, 0.5)
    )
    lower.stairs(of_id.shares, _EDGES, fill=True, color=ID_COLOUR, alpha=0.35)
    if of_ood:
        shares = np.mean([part.shares for part in of_ood], axis=0)
        lower.stairs(shares, _EDGES, color=OOD_COLOUR, linewidth=1, hatch="//////")
    lower.set(xlabel="Probability of ID", ylabel="images", yticks=[], xlim=(0, 1))
    for axes in (upper, lower):
        axes.axvline(0.5, color=GREY, linewidth=0.7, linestyle=":")
