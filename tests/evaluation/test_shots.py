"""Which training images are chosen, and which are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clipn.errors import ClipnError
from clipn.evaluation.fitted.shots import training_rows
from tests.helpers.training_images import TRAIN, describe

CLASSES = ["cat", "dog", "owl"]
LABELS = [0, 1, 2, 2, 1, 0] * 5


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    describe(tmp_path / "pets", [0, 1, 2], CLASSES)
    describe(tmp_path / TRAIN, LABELS, CLASSES, first=100)
    return tmp_path


def chosen(datasets: Path, shots: int | None, seed: int = 1) -> list[list[int]]:
    return [rows.tolist() for rows in training_rows(datasets, "pets", TRAIN, shots, seed)]


def test_so_many_of_every_class(datasets: Path) -> None:
    for label, rows in enumerate(chosen(datasets, 4)):
        assert len(set(rows)) == len(rows) == 4
        assert {LABELS[row] for row in rows} == {label}


def test_the_same_seed_chooses_the_same_images_and_another_one_others(datasets: Path) -> None:
    assert chosen(datasets, 4) == chosen(datasets, 4)
    assert chosen(datasets, 4) != chosen(datasets, 4, seed=2)


def test_more_shots_are_these_and_further_ones(datasets: Path) -> None:
    for few, more in zip(chosen(datasets, 3), chosen(datasets, 7), strict=True):
        assert set(few) < set(more)


def test_every_image_has_the_same_chance(datasets: Path) -> None:
    """Of ten images of a class two are chosen: in 100 choices each about 20 times, give or take four deviations."""
    times = np.bincount(np.concatenate([chosen(datasets, 2, seed)[0] for seed in range(100)]), minlength=len(LABELS))
    assert np.abs(times[np.flatnonzero(np.array(LABELS) == 0)] - 20).max() < 4 * np.sqrt(100 * 0.2 * 0.8)


def test_classes_are_matched_by_name(datasets: Path) -> None:
    """As of folders, which are sorted, beside an archive that is not."""
    describe(datasets / TRAIN, LABELS, CLASSES[::-1], first=100)
    for label, rows in enumerate(chosen(datasets, 4)):
        assert {CLASSES[::-1][LABELS[row]] for row in rows} == {CLASSES[label]}


def test_two_classes_of_one_name_are_told_apart_by_their_order_alone(datasets: Path) -> None:
    describe(datasets / "pets", [0, 1, 2], ["missile", "cat", "missile"])
    describe(datasets / TRAIN, LABELS, ["missile", "cat", "missile"], first=100)
    assert {LABELS[row] for row in chosen(datasets, 4)[2]} == {2}
    describe(datasets / TRAIN, LABELS, ["cat", "missile", "missile"], first=100)
    with pytest.raises(ClipnError, match=r"other classes than pets \(a name stands for two classes\)"):
        chosen(datasets, 4)


def test_all_of_them(datasets: Path) -> None:
    assert chosen(datasets, None) == [[row for row, label in enumerate(LABELS) if label == of] for of in range(3)]


REFUSED: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "a test image": (
        lambda folder: describe(folder, LABELS, CLASSES, first=1),
        2,
        r"training: 2 of its images are test images of pets \(0\.png and 1 more\); leave them out with `select` of",
    ),
    "another class": (
        lambda folder: describe(folder, LABELS, ["cat", "wolf", "owl"], first=100),
        2,
        r"training: has other classes than pets \('dog' is a class of one of them alone\); name training",
    ),
    "more classes": (
        lambda folder: describe(folder, LABELS, [*CLASSES, "eel"], first=100),
        2,
        r"training: has other classes than pets \('eel' is a class of one of them alone\)",
    ),
    "no label": (
        lambda folder: describe(folder, [-1, *LABELS], CLASSES, first=100),
        2,
        "training: 1 of its images have no class; label them, or leave them out",
    ),
    "too few": (
        lambda folder: describe(folder, [*LABELS, 0], CLASSES, first=100),
        11,
        "training: 'dog' has 10 images, and 11 are needed; lower `shots`, or add images",
    ),
}


@pytest.mark.parametrize(("change", "shots", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals(datasets: Path, change: Callable[[Path], None], shots: int, message: str) -> None:
    change(datasets / TRAIN)
    with pytest.raises(ClipnError, match=f"^{message}"):
        chosen(datasets, shots)


def test_a_class_without_an_image(datasets: Path) -> None:
    describe(datasets / TRAIN, [0, 0, 1], CLASSES, first=100)
    with pytest.raises(ClipnError, match="'owl' has 0 images, and 1 are needed"):
        chosen(datasets, None)
