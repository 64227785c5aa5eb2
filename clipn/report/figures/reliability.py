"""Reliability of CLIPN's threshold-free decisions: what its probabilities are worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.special import expit

from clipn.errors import ClipnError
from clipn.report.figures.series import Scores, first_runs
from clipn.report.figures.style import (
    GREY,
    ID_COLOUR,
    MARKERS,
    OOD_COLOUR,
    PALETTE,
    WIDTH,
    finish,
    heading,
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
def reliability(
    runs: Sequence[ScoredRun],
    id_dataset: str,
    backbone: str,
    study: str,
    titles: Mapping[str, str] | None = None,
    variants: Sequence[str] | None = None,
    prompts: str | None = None,
) -> Figure:
    """Share of ID among the images of equal probability, ID against each OOD set, both weighted equally.

    Variants down, CTW and ATD across; ten bins, their sizes below; the legend tells what the rule accepts and rejects.
    Arguments as for `score_histograms`.

    Raises:
        ClipnError: no scores of a rule for this backbone and ID dataset.
    """
    found = [run for run in first_runs(runs, backbone, id_dataset, variants, prompts) if _rules(run)]
    if not found:
        raise ClipnError(f"scores of {backbone}: no decisions on {id_dataset!r}; score a run with a “no” tower")
    titles = titles or {}
    columns = max(len(_rules(run)) for run in found)
    figure = Figure(figsize=(WIDTH, _HEIGHT * len(found) + 0.8), layout="constrained")
    for line, run in zip(figure.subfigures(len(found), columns, squeeze=False), found, strict=True):
        for part, rule in zip(line, _rules(run), strict=False):
            part.suptitle(f"{method_title(rule)} ({run.variant})", fontsize=7.5)
            _draw(part, list(_parts(run, rule, id_dataset)), titles)
    known = titles.get(id_dataset, id_dataset)
    heading(figure, "Reliability of the decision", known, study, f"backbone: {backbone}", "first seed of each variant")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3)
    return finish(figure)


def _rules(run: ScoredRun) -> list[str]:
    """Methods of a run whose score is the probability behind a rule of the same name."""
    return [name for name in SCORES if name in RULES and SCORES[name].log_odds and name in run.scores]


def _parts(run: ScoredRun, rule: str, id_dataset: str) -> Iterator[_Part]:
    """The ID dataset first."""
    by_dataset = {str(name): part for name, part in run.scores.groupby("dataset", sort=False, observed=True)}
    for name in sorted(by_dataset, key=lambda name: name != id_dataset):
        part = by_dataset[name]
        counts, _ = np.histogram(expit(part[rule].to_numpy()), _EDGES)
        decided = f"accepts_{rule}"
        yield _Part(name, counts / len(part), float(part[decided].mean()) if decided in part else None)


def _draw(part: SubFigure, parts: Sequence[_Part], titles: Mapping[str, str]) -> None:
    known, *unknown = parts
    upper, lower = part.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _curves(upper, known, unknown, titles)
    lower.stairs(known.shares, _EDGES, fill=True, color=ID_COLOUR, alpha=0.35)
    if unknown:
        shares = np.mean([item.shares for item in unknown], axis=0)
        lower.stairs(shares, _EDGES, color=OOD_COLOUR, linewidth=1, hatch="//////")
    lower.set(xlabel="Probability of ID", ylabel="images", yticks=[], xlim=(0, 1))
    for axes in (upper, lower):
        axes.axvline(0.5, color=GREY, linewidth=0.7, linestyle=":")


def _curves(axes: Axes, known: _Part, unknown: Sequence[_Part], titles: Mapping[str, str]) -> None:
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.7)
    for item, colour, marker in zip(unknown, cycle(_COLOURS), cycle(MARKERS)):
        both = known.shares + item.shares
        share = np.divide(known.shares, both, out=np.full(len(both), np.nan), where=both > 0)
        accepted = "" if item.accepted is None else f": {100 * (1 - item.accepted):.1f} % rejected"
        label = f"{titles.get(item.name, item.name)}{accepted}"
        axes.plot(_CENTRES, share, marker=marker, color=colour, markersize=3.5, linewidth=1, label=label)
    accepted = "" if known.accepted is None else f": {100 * known.accepted:.1f} % accepted"
    title = f"{titles.get(known.name, known.name)}{accepted}"
    axes.set(ylim=(-0.02, 1.02), ylabel="Share of ID")
    axes.legend(title=title, title_fontsize=6, fontsize=6, alignment="left", loc="center left", bbox_to_anchor=(1, 0.5))


def _legend() -> list[Artist]:
    return [
        Line2D([], [], color=GREY, linewidth=0.7, linestyle="--", label="calibrated"),
        Patch(color=ID_COLOUR, alpha=0.35, label="ID images per bin"),
        Patch(
            edgecolor=OOD_COLOUR, facecolor="none", hatch="//////", label="OOD images per bin, sets weighted equally"
        ),
    ]
