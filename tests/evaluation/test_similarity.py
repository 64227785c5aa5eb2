"""Means over the images of a class against the texts of every class, as a plain loop finds them."""

import math

import numpy as np
import pytest

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import Towers
from clipn.evaluation.similarity import similarity_table
from clipn.features.stored import Features
from clipn.scores.logits import Array
from tests.helpers.tiny_model import unit

CLASSES = ["dog", "great white shark", "acoustic guitar"]


def images(rows: int) -> Features:
    return unit(rows).numpy()


def texts(rows: int, seed: int) -> Array:
    return unit(rows, seed=seed).double().numpy()


TOWERS = Towers(5.0, texts(3, seed=1), texts(3, seed=2))


def test_means_are_those_of_a_plain_loop() -> None:
    features, labels = images(10), [0, 2, 1, 2, -1, 0, 2, 2, 1, -1]
    assert TOWERS.no is not None
    table = similarity_table(TOWERS, CLASSES, features, labels)
    assert list(table.columns) == ["image_class", "text_class", "yes", "no", "p_no"]
    assert len(table) == 9
    for row in table.to_dict("records"):
        image_class, text_class = CLASSES.index(row["image_class"]), CLASSES.index(row["text_class"])
        cosines = []
        for feature, label in zip(features.astype(np.float64), labels, strict=True):
            if label == image_class:
                cosines.append([float(feature @ weights[text_class]) for weights in (TOWERS.yes, TOWERS.no)])
        yes, no = zip(*cosines, strict=True)
        p_no = [1 / (1 + math.exp(5 * (a - b))) for a, b in cosines]
        assert row["yes"] == pytest.approx(sum(yes) / len(yes), abs=1e-12)
        assert row["no"] == pytest.approx(sum(no) / len(no), abs=1e-12)
        assert row["p_no"] == pytest.approx(sum(p_no) / len(p_no), abs=1e-12)
    assert table["p_no"].nunique() == 9


def test_classes_without_images_are_not_shown() -> None:
    table = similarity_table(TOWERS, CLASSES, images(4), [2, 0, 0, 2])
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
    classes = [f"thing {number}" for number in range(30)]
    table = similarity_table(Towers(5.0, texts(30, 1), texts(30, 2)), classes, images(len(present)), list(present))
    assert list(dict.fromkeys(table["image_class"])) == [f"thing {number}" for number in shown]
    assert len(table) == 12 * 12


def test_images_without_labels() -> None:
    assert similarity_table(TOWERS, CLASSES, images(2), [-1, -1]).empty
    one = similarity_table(TOWERS, CLASSES, images(2), [-1, 1])
    assert list(one["image_class"]) == [CLASSES[1]]


def test_plain_clip_says_no_to_nothing() -> None:
    with pytest.raises(ClipnError, match=r"^similarity: no `no` tower says anything of these classes; choose a run"):
        similarity_table(TOWERS._replace(no=None), CLASSES, images(2), [0, 1])
