"""The reliability figure against a plain count."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from clipn.errors import ClipnError
from clipn.report.figures.context import FigureContext
from clipn.report.figures.reliability import reliability
from clipn.report.reading import ScoredRun

RANDOM = np.random.default_rng(5)


def part(dataset: str, log_odds: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": "cifar10",
            "dataset": dataset,
            "row": range(len(log_odds)),
            "ctw": log_odds,
            "atd": 2 * log_odds,
            "accepts_ctw": log_odds >= 0,
            "accepts_atd": log_odds >= 1,
        }
    )


SCORES = pd.concat(
    [
        part("svhn", RANDOM.normal(-1, 2, 300)),
        part("cifar10", RANDOM.normal(1, 2, 200)),
        part("dtd", np.array([-9.0, -9, -9, 9])),
    ],
    ignore_index=True,
)
CONTEXT = FigureContext("demo", "cifar10", "tiny")
RUN = ScoredRun("tiny", "learnable", "single", 1, SCORES)


def plain_share(of_id: list[float], of_ood: list[float], low: float, high: float) -> float:
    """Share of ID in a bin when both sets weigh the same, counted one by one; NaN in an empty bin."""

    def weight(values: list[float]) -> float:
        return sum(low <= 1 / (1 + math.exp(-value)) < high for value in values) / len(values)

    total = weight(of_id) + weight(of_ood)
    return weight(of_id) / total if total else math.nan


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def values(dataset: str) -> list[float]:
    return [float(value) for value in SCORES.loc[SCORES["dataset"] == dataset, "ctw"]]


def test_every_ood_set_weighs_as_much_as_the_id_set() -> None:
    upper = reliability([RUN], CONTEXT).axes[0]
    drawn = {str(line.get_label()).split(":")[0]: line for line in upper.lines}
    for name in ("svhn", "dtd"):
        expected = [plain_share(values("cifar10"), values(name), low / 10, (low + 1) / 10) for low in range(10)]
        assert np.allclose(drawn[name].get_ydata(), expected, equal_nan=True)
    assert np.allclose(drawn["dtd"].get_xdata(), np.arange(0.05, 1, 0.1))


def test_sizes_of_bins_and_shares_of_decisions() -> None:
    figure = reliability([RUN], replace(CONTEXT, titles={"dtd": "Textures"}))
    of_id, of_ood = (patch.get_data() for patch in figure.axes[1].patches)
    assert sum(of_id.values) == pytest.approx(1)
    assert sum(of_ood.values) == pytest.approx(1)
    svhn_high = np.mean([1 / (1 + math.exp(-value)) >= 0.9 for value in values("svhn")])
    assert of_ood.values[-1] == pytest.approx((svhn_high + 1 / 4) / 2)
    words = texts(figure)
    assert words.count("Textures: 75.0 % rejected") == 2
    assert f"cifar10: {100 * np.mean(np.array(values('cifar10')) >= 1):.1f} % accepted" in words
    assert "CLIPN-ATD (learnable)" in words
    assert any("study: demo" in text for text in words)


def test_variants_go_down_and_runs_without_a_no_tower_are_left_out() -> None:
    other = ScoredRun("tiny", "untrained", "single", 1, SCORES)
    baselines = ScoredRun("tiny", "none", "single", 0, SCORES[["id", "dataset"]].assign(msp=0.0))
    assert len(reliability([RUN, other, baselines], CONTEXT).axes) == 8
    chosen = reliability([other, baselines], CONTEXT)
    assert [text for text in texts(chosen) if "(" in text] == ["CLIPN-CTW (untrained)", "CLIPN-ATD (untrained)"]
    with pytest.raises(ClipnError, match="no decisions on 'cifar10'"):
        reliability([baselines], CONTEXT)


def test_scores_without_decisions_are_drawn_without_their_shares() -> None:
    undecided = ScoredRun("tiny", "learnable", "single", 1, SCORES.drop(columns=["accepts_ctw", "accepts_atd"]))
    words = texts(reliability([undecided], CONTEXT))
    assert "svhn" in words
    assert not any("rejected" in text for text in words)
