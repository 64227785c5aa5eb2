"""Class weights, ReAct's limit, and the logits that come of them."""

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import IDClassifier, id_classifier
from clipn.evaluation.detector import Detector
from clipn.features.negative_labels import FORMAT
from clipn.model.tensors import write_safetensors
from clipn.scores.evidence import NEEDS

YES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
NO = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.8, 0.6]], dtype=torch.float64)
LABELS = torch.tensor([[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]])
NEGATIVES = torch.tensor([[-1.0, 0.0], [0.0, -1.0], [-0.6, -0.8], [0.8, -0.6]])
FEATURES = torch.tensor([[0.6, 0.8], [-0.28, 0.96]])
MOVED = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
SCALE = 10.0

DETECTOR = cast(Detector, SimpleNamespace(logit_scale=SCALE, yes_weights=YES, no_weights=NO))
MATRICES = ["yes", "no", "labels", "negatives"]


@pytest.fixture
def negative_labels(tmp_path: Path) -> Path:
    path = tmp_path / "negative_labels.safetensors"
    write_safetensors(path, {"labels": LABELS, "negatives": NEGATIVES}, {"format": FORMAT})
    return path


def limit(features: Tensor) -> float | None:
    return id_classifier(DETECTOR, {"clipped"}, features, Path("nowhere")).clip_at


def cosines(features: Tensor, weights: Tensor) -> Any:
    return (features.double() @ weights.double().T).numpy()


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
    shuffled = torch.tensor(list(values), dtype=torch.float32)[
        torch.randperm(len(values), generator=torch.Generator().manual_seed(0))
    ]
    assert limit(shuffled[:, None]) == expected
    assert limit(shuffled[None]) == expected


def test_reacts_limit_is_of_all_images_and_leaves_them_alone() -> None:
    features = torch.arange(100.0).flip(0).reshape(20, 5)
    assert limit(features) == 89
    assert features.flatten().tolist() == list(range(99, -1, -1))


def test_weights_are_scaled_in_float64(negative_labels: Path) -> None:
    classifier = id_classifier(DETECTOR, set(NEEDS), FEATURES, negative_labels)
    assert (classifier.scale, classifier.clip_at) == (SCALE, FEATURES.max().item())
    for name, weights in zip(MATRICES, (YES, NO, LABELS, NEGATIVES), strict=True):
        found = getattr(classifier, name)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, SCALE * weights.double(), err_msg=name)


def test_what_is_not_needed_is_not_there() -> None:
    classifier = id_classifier(DETECTOR, (), FEATURES, Path("nowhere"))
    assert [classifier.no, classifier.clip_at, classifier.labels, classifier.negatives] == [None] * 4
    assert classifier.evidence(FEATURES.numpy()).given == {}


def test_missing_negative_labels(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    with pytest.raises(ClipnError, match=f"^{path}: no such file"):
        id_classifier(DETECTOR, {"labels", "negatives"}, FEATURES, path)


def test_logits_of_images(negative_labels: Path) -> None:
    classifier = id_classifier(DETECTOR, set(NEEDS), FEATURES, negative_labels)
    evidence = classifier.evidence(FEATURES.numpy(), MOVED.numpy())
    expected = {"no": NO, "labels": LABELS, "negatives": NEGATIVES}
    assert evidence.scale == SCALE
    np.testing.assert_allclose(evidence.yes.values, SCALE * cosines(FEATURES, YES), rtol=1e-14)
    np.testing.assert_allclose(evidence.given["perturbed"], SCALE * cosines(MOVED, YES), rtol=1e-14)
    for name, weights in expected.items():
        np.testing.assert_allclose(evidence.given[name], SCALE * cosines(FEATURES, weights), rtol=1e-14, err_msg=name)
    assert {name: logits.shape for name, logits in evidence.given.items()} == {
        "no": (2, 3), "clipped": (2, 3), "perturbed": (2, 3), "labels": (2, 3), "negatives": (2, 4)
    }  # fmt: skip
    assert all(logits.dtype == np.float64 for logits in (evidence.yes.values, *evidence.given.values()))


def test_clipped_logits_by_hand() -> None:
    classifier = IDClassifier(SCALE, SCALE * YES.numpy(), clip_at=0.5)
    clipped = classifier.evidence(np.array([[0.6, -0.8]], np.float32)).clipped
    np.testing.assert_allclose(clipped.values, [[5.0, -8.0, 10 * (0.6 * 0.5 - 0.8 * 0.8)]], rtol=1e-7)


def test_features_are_multiplied_in_float64() -> None:
    """In float32 the small class would vanish beside the large one."""
    logits = IDClassifier(1.0, np.array([[1.0, 1e-9]])).evidence(np.ones((1, 2), np.float32)).yes.values
    assert logits.item() == 1 + 1e-9
