"""Class weights, ReAct's limit, and the logits that come of them."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
import torch

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import IDClassifier, Towers, id_classifier
from clipn.features.stored import NEGATIVES_FORMAT, WORD_FEATURES, Features, WordFeatures
from clipn.model.tensors import write_safetensors
from clipn.scores.evidence import NEEDS
from clipn.scores.logits import Array

YES = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
NO = np.array([[0.0, 1.0], [1.0, 0.0], [0.8, 0.6]])
LABELS = np.array([[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], np.float32)
NEGATIVES = np.array([[-1.0, 0.0], [0.0, -1.0], [-0.6, -0.8], [0.8, -0.6]], np.float32)
FEATURES = np.array([[0.6, 0.8], [-0.28, 0.96]], np.float32)
PATCHES = np.array([[-3.0], [-2.0]])
MOVED = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
SCALE = 10.0
WORDS = {
    name: weights
    for shift, method in enumerate(WORD_FEATURES.values())
    for name, weights in ((method.labels, LABELS), (method.negatives, np.roll(NEGATIVES, shift, 0)))
}

TOWERS = Towers(SCALE, YES, NO)
NOWHERE = Path("nowhere")


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Of every method the same labels, and negatives of its own."""
    for shift, method in enumerate(WORD_FEATURES.values()):
        tensors = {"labels": torch.from_numpy(LABELS), "negatives": torch.from_numpy(np.roll(NEGATIVES, shift, 0))}
        write_safetensors(tmp_path / method.folder / "pets.safetensors", tensors, {"format": NEGATIVES_FORMAT})
    return tmp_path


def limit(features: Features) -> float | None:
    return id_classifier(TOWERS, {"clipped"}, features, NOWHERE, "pets").clip_at


def cosines(features: Features, weights: Array) -> Array:
    return features.astype(np.float64) @ weights.astype(np.float64).T


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(10), 8),  # nine of ten are not above it
        (range(20), 17),
        ([3] * 19 + [7], 3),
        (range(15), 13),  # 13.5 of 15: the nearest even count, 14
        ([-5], -5),
        ([1, 2], 2),
    ],
)
def test_reacts_limit_by_hand(values: Collection[int], expected: float) -> None:
    shuffled = np.random.default_rng(0).permutation(np.array([*values], np.float32))
    assert limit(shuffled[:, None]) == expected
    assert limit(shuffled[None]) == expected


def test_reacts_limit_is_of_all_images_and_leaves_them_alone() -> None:
    features = np.arange(100, dtype=np.float32)[::-1].reshape(20, 5)
    assert limit(features) == 89
    assert features.ravel().tolist() == list(range(99, -1, -1))


def test_weights_are_scaled_in_float64(words: Path) -> None:
    classifier = id_classifier(TOWERS, set(NEEDS), FEATURES, words, "pets")
    assert (classifier.scale, classifier.clip_at) == (SCALE, FEATURES.max())
    assert classifier.words.keys() == WORDS.keys()
    for name, weights in {"yes": YES, "no": NO, **WORDS}.items():
        found = classifier.words[name] if name in WORDS else getattr(classifier, name)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, SCALE * weights.astype(np.float64), err_msg=name)


def test_what_is_not_needed_is_not_there() -> None:
    classifier = id_classifier(TOWERS, (), FEATURES, NOWHERE, "pets")
    assert (classifier.no, classifier.clip_at, classifier.words) == (None, None, {})
    assert classifier.evidence(FEATURES).given == {}


def test_towers_that_say_nothing_of_the_classes_give_no_no() -> None:
    assert id_classifier(Towers(SCALE, YES, None), {"no"}, FEATURES, NOWHERE, "pets").no is None


@pytest.mark.parametrize("method", WORD_FEATURES.values())
def test_words_of_one_method_are_read_alone(words: Path, method: WordFeatures) -> None:
    for other in {*WORD_FEATURES.values()} - {method}:
        (words / other.folder / "pets.safetensors").unlink()
    needs = {method.labels, method.negatives}
    assert id_classifier(TOWERS, needs, FEATURES, words, "pets").words.keys() == needs
    with pytest.raises(ClipnError, match=f"^{words / method.folder / 'cars.safetensors'}: no such file"):
        id_classifier(TOWERS, needs, FEATURES, words, "cars")


def test_logits_of_images(words: Path) -> None:
    classifier = id_classifier(TOWERS, set(NEEDS), FEATURES, words, "pets")
    evidence = classifier.evidence(FEATURES, MOVED, PATCHES)
    expected = {"no": NO, **WORDS}
    assert evidence.scale == SCALE
    np.testing.assert_allclose(evidence.yes.values, SCALE * cosines(FEATURES, YES), rtol=1e-14)
    np.testing.assert_allclose(evidence.given["perturbed"], SCALE * cosines(MOVED, YES), rtol=1e-14)
    np.testing.assert_array_equal(evidence.given["local"], PATCHES)
    for name, weights in expected.items():
        np.testing.assert_allclose(evidence.given[name], SCALE * cosines(FEATURES, weights), rtol=1e-14, err_msg=name)
    assert {name: logits.shape for name, logits in evidence.given.items()} == {
        "no": (2, 3), "clipped": (2, 3), "perturbed": (2, 3), "local": (2, 1), "labels": (2, 3), "negatives": (2, 4),
        "csp_labels": (2, 3), "csp_negatives": (2, 4), "eoe_labels": (2, 3), "eoe_outliers": (2, 4),
    }  # fmt: skip
    assert all(logits.dtype == np.float64 for logits in (evidence.yes.values, *evidence.given.values()))


def test_clipped_logits_by_hand() -> None:
    classifier = IDClassifier(SCALE, SCALE * YES, clip_at=0.5)
    clipped = classifier.evidence(np.array([[0.6, -0.8]], np.float32)).clipped
    np.testing.assert_allclose(clipped.values, [[5.0, -8.0, 10 * (0.6 * 0.5 - 0.8 * 0.8)]], rtol=1e-7)


def test_features_are_multiplied_in_float64() -> None:
    """In float32 the small class would vanish beside the large one."""
    logits = IDClassifier(1.0, np.array([[1.0, 1e-9]])).evidence(np.ones((1, 2), np.float32)).yes.values
    assert logits.item() == 1 + 1e-9
