"""Means over the images of a class against the texts of every class, as a plain loop finds them."""

import pytest
import torch

from clipn.errors import ClipnError
from clipn.evaluation.detector import Detector
from clipn.evaluation.similarity import similarity_table
from tests.helpers.tiny_model import taught_model, unit

CLASSES = ["dog", "great white shark", "acoustic guitar"]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(taught_model(), CLASSES, "single")


def test_means_are_those_of_a_plain_loop(detector: Detector) -> None:
    features, labels = unit(10), [0, 2, 1, 2, -1, 0, 2, 2, 1, -1]
    table = similarity_table(detector, features, labels)
    assert list(table.columns) == ["image_class", "text_class", "yes", "no", "p_no"]
    assert len(table) == 9
    for row in table.to_dict("records"):
        image_class, text_class = CLASSES.index(row["image_class"]), CLASSES.index(row["text_class"])
        cosines = []
        for feature, label in zip(features.double(), labels, strict=True):
            if label == image_class:
                weights = detector.yes_weights[text_class], detector.no_weights[text_class]
                cosines.append([float(feature @ weight) for weight in weights])
        yes, no = zip(*cosines, strict=True)
        odds = [100 * (b - a) for a, b in cosines]
        p_no = [1 / (1 + torch.exp(torch.tensor(-value, dtype=torch.float64))).item() for value in odds]
        assert row["yes"] == pytest.approx(sum(yes) / len(yes), abs=1e-12)
        assert row["no"] == pytest.approx(sum(no) / len(no), abs=1e-12)
        assert row["p_no"] == pytest.approx(sum(p_no) / len(p_no), abs=1e-9)
    assert table["p_no"].nunique() == 9


def test_classes_without_images_are_not_shown(detector: Detector) -> None:
    table = similarity_table(detector, unit(4), [2, 0, 0, 2])
    assert list(table["image_class"]) == ["dog", "dog", "acoustic guitar", "acoustic guitar"]
    assert list(table["text_class"]) == ["dog", "acoustic guitar"] * 2


@pytest.mark.parametrize(
    ("present", "shown"),
    [
        (range(12), list(range(12))),
        (range(30), [0, 3, 5, 8, 11, 13, 16, 18, 21, 24, 26, 29]),
        ([0, *range(10, 22)], [0, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21]),
    ],
)
def test_of_many_classes_twelve_spread_over_those_present(present: list[int], shown: list[int]) -> None:
    detector = Detector(taught_model(), [f"thing {number}" for number in range(30)], "single")
    table = similarity_table(detector, unit(len(present)), list(present))
    assert list(dict.fromkeys(table["image_class"])) == [f"thing {number}" for number in shown]
    assert len(table) == 12 * 12


def test_images_without_labels(detector: Detector) -> None:
    with pytest.raises(ClipnError, match="similarity: no image has a label; choose an ID dataset"):
        similarity_table(detector, unit(2), [-1, -1])
