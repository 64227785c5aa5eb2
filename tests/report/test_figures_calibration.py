"""Figures of calibration and of backbones: what they show, against plain counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from clipn.errors import ClipnError
from clipn.metrics.calibration import BINS
from clipn.report.figures import backbones as module
from clipn.report.figures.backbones import backbones, draw_backbones
from clipn.report.figures.calibration import calibration
from clipn.report.figures.context import FigureContext
from clipn.report.reading import ScoredRun

CONFIDENCE = [0.99, 0.98, 0.97, 0.5, 0.48, 0.2]
RIGHT = [True, True, False, True, False, False]
"""Two of three in the last bin, one of two in that of 0.5, none in that of 0.2."""
CONTEXT = FigureContext("demo", "cifar10", "tiny", {"cifar10": "CIFAR-10"})


def scored(temperature: float = 1.5, label: int = 0) -> ScoredRun:
    images = pd.DataFrame({"dataset": "cifar10", "label": label, "prediction": np.where(RIGHT, label, label + 1)})
    worth = {"confidence": CONFIDENCE, "nll": 0.25, "brier": 0.125, "temperature": temperature}
    ood = pd.DataFrame({"dataset": ["svhn"], "label": -1, "prediction": 0})
    scores = pd.concat([images.assign(**worth), ood], ignore_index=True).assign(id="cifar10", msp=0.0)
    return ScoredRun("tiny", "none", "single", 0, scores)


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_every_bin_that_holds_images_is_at_its_confidence_and_accuracy() -> None:
    left, right = calibration([scored()], CONTEXT).axes
    (points,) = (line for line in left.lines if line.get_marker() == "o")
    expected = [[0.2, 0], [0.49, 1 / 2], [np.mean(CONFIDENCE[:3]), 2 / 3]]
    np.testing.assert_allclose(points.get_xydata(), expected)
    # Points at the ends would be cut in half.
    assert all(low < 0 and high > 1 for low, high in (left.get_xlim(), left.get_ylim()))
    counts = [patch.get_data() for patch in right.patches]
    assert [part.values.sum() for part in counts] == [3, 3]
    assert [part.values[-1] for part in counts] == [2, 1]
    assert len(counts[0].edges) == BINS + 1


@pytest.mark.parametrize(("temperature", "told"), [(1.5, "1.50"), (np.nan, "none within reach")])
def test_numbers_stand_below_the_diagram(temperature: float, told: str) -> None:
    words = texts(calibration([scored(temperature)], CONTEXT))
    ece = (3 * abs(2 / 3 - np.mean(CONFIDENCE[:3])) + 2 * (0.5 - 0.49) + 0.2) / 6
    assert f"Accuracy 50.0 %, mean confidence {100 * np.mean(CONFIDENCE):.1f} %, ECE {100 * ece:.2f} %" in words
    assert f"Brier 12.5 %, NLL 0.25; temperature that these images would want: {told}" in words
    assert "ID: CIFAR-10\nstudy: demo, backbone: tiny" in words


def test_the_first_run_that_tells_its_calibration_is_shown() -> None:
    silent = replace(scored(), scores=scored().scores.drop(columns="nll"))
    fitted, learnable = (replace(scored(best), variant=name) for best, name in ((2.0, "gda-a"), (3.0, "learnable")))
    assert "would want: 3.00" in texts(calibration([silent, fitted, learnable], CONTEXT))
    assert "would want: 2.00" in texts(calibration([silent, fitted], CONTEXT))
    with pytest.raises(ClipnError, match="scores of tiny: none tells its calibration; score its runs again"):
        calibration([silent], CONTEXT)


def test_images_without_labels_are_a_sentence() -> None:
    figure = calibration([scored(label=-1)], CONTEXT)
    assert not figure.axes
    assert "No image has a label to be right about, ID: CIFAR-10\nstudy: demo, backbone: tiny" in texts(figure)


# Backbones

ACCURACY = pd.DataFrame({"backbone": ["good", "poor"], "top1": [80.0, 60], "ece": [4.0, 2]})
AVERAGES = pd.DataFrame(
    [("good", "mcm", 90.0), ("poor", "mcm", 70), ("good", "ctw", 95)], columns=["backbone", "method", "mean"]
)


def test_methods_are_lines_from_the_least_accurate_backbone_to_the_most() -> None:
    figure = backbones(ACCURACY, AVERAGES, "ID: x", "learnable")
    left, right = figure.axes
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in left.lines if line.get_marker() != "None"}
    assert drawn == {"MCM": [[60, 70], [80, 90]], "CLIPN-CTW": [[80, 95]]}
    assert right.lines[0].get_xydata().tolist() == [[80, 4], [60, 2]]
    assert all(words in texts(figure) for words in ("good", "poor", "ID: x", "CLIPN: variant learnable"))
    assert "variant" not in texts(backbones(ACCURACY, AVERAGES, "ID: x", "none"))


def test_backbones_without_labels_are_a_sentence() -> None:
    assert "No image has a label" in texts(backbones(ACCURACY.assign(top1=np.nan), AVERAGES, "ID: x", "learnable"))


def test_rows_of_the_id_dataset_and_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Averages of official lists alone, of the base variant and of plain CLIP; NegLabel has a pool of its own."""
    names = {"id": "cifar10", "prompts": "single"}
    of_pool = ACCURACY.assign(variant="none", **names)
    others_rows = ({"prompts": "other"}, {"id": "x"}, {"variant": "gda-4shot-alpha1.0"})
    accuracies = pd.concat([of_pool, *(of_pool.assign(**other) for other in others_rows)])
    accuracies.to_csv(tmp_path / "id.csv", index=False)
    rows = {"ood": "average", "ood_version": "official", "measure": "auroc", "variant": "none"} | names
    wanted = AVERAGES.assign(**rows)
    others = {
        "ood": "svhn",
        "ood_version": "clean",
        "measure": "fpr95",
        "variant": "short",
        "prompts": "nice",
        "id": "x",
    }
    parts = [wanted, wanted.assign(method="neglabel", prompts="nice"), wanted.assign(variant="learnable")]
    parts += [wanted.assign(**{column: value}) for column, value in others.items()]
    pd.concat(parts).to_csv(tmp_path / "metrics.csv", index=False)
    drawn: list[Figure] = []
    monkeypatch.setattr(module, "save", lambda figure, png, pdf: drawn.append(figure))
    files = tmp_path / "id.csv", tmp_path / "metrics.csv"
    rest = ("learnable", "single", "demo", tmp_path, Path("a.png"), Path("a.pdf"))
    draw_backbones(*files, "cifar10", *rest)
    left = drawn[0].axes[0]
    methods = {str(line.get_label()): len(line.get_xydata()) for line in left.lines if line.get_marker() != "None"}
    assert methods == {"MCM": 4, "NegLabel": 3, "CLIPN-CTW": 2}
    with pytest.raises(ClipnError, match=r"id\.csv: no numbers of svhn under single; evaluate"):
        draw_backbones(*files, "svhn", *rest)
