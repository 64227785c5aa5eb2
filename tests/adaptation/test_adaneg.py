"""AdaNeg against plain loops and by hand: what is remembered, for how long, and what that does."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from clipn.adaptation import ADAPTIVE, adaneg, memory
from clipn.adaptation.memory import Memory
from clipn.scores import RULES, SCORES
from tests.helpers.plain_adaneg import plain_adaneg

Array = NDArray[np.float64]
METHODS = Path(__file__).parents[2] / "docs/methods.md"
SCALE = 12.0
"""At CLIP's own, shares of such vectors would be 0 or 1."""


def unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def planted(images: int = 90, classes: int = 3, negatives: int = 13, width: int = 8) -> tuple[Array, Array, Array]:
    """Images, labels and negatives; images are near a label, near a negative, or near none."""
    draw = np.random.default_rng(5)
    labels, words = unit(draw.normal(size=(classes, width))), unit(draw.normal(size=(negatives, width)))
    near = np.concatenate([labels, words[:2]])[draw.integers(classes + 2, size=images)]
    share = draw.uniform(0, 1.5, size=(images, 1))
    return unit(share * near + unit(draw.normal(size=(images, width)))), labels, words


@pytest.mark.parametrize("batch", [1, 7, 90, 128])
@pytest.mark.parametrize("method", ["adaneg", "adaneg_released"])
def test_plain_loops(method: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of classes, and more images of one than it can keep."""
    monkeypatch.setattr(memory, "BLOCK", 2)
    images, labels, negatives = planted()
    weights = (1.0, 0.1) if method == "adaneg" else (0.1, 1.0)
    expected = plain_adaneg(images.tolist(), labels.tolist(), negatives.tolist(), batch, SCALE, weights)
    found = ADAPTIVE[method].function(images, labels, negatives, batch, SCALE)
    np.testing.assert_allclose(sum(weights) * expit(found), expected, rtol=0, atol=1e-9)
    odds = np.log(expected) - np.log(sum(weights) - np.array(expected))
    np.testing.assert_allclose(found, odds, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "value"), [("LENGTH", 9), ("BETA", 5.0), ("GROUPS", 4), ("GAP", 0.4)])
def test_every_constant_counts(name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels, negatives = planted()
    before = adaneg.scores(images, labels, negatives, 7, SCALE)
    monkeypatch.setattr(memory if hasattr(memory, name) else adaneg, name, value)
    assert np.abs(adaneg.scores(images, labels, negatives, 7, SCALE) - before).max() > 1e-3


def test_fewer_negatives_than_groups() -> None:
    images, labels, negatives = planted(negatives=3)
    expected = plain_adaneg(images.tolist(), labels.tolist(), negatives.tolist(), 7, SCALE, (1.0, 0.1))
    found = adaneg.scores(images, labels, negatives, 7, SCALE)
    np.testing.assert_allclose(1.1 * expit(found), expected, rtol=0, atol=1e-9)


def test_a_stream_is_told_by_its_order_and_batch() -> None:
    images, labels, negatives = planted()
    order = np.random.default_rng(0).permutation(len(images))
    first = adaneg.scores(images, labels, negatives, 7, SCALE)
    assert adaneg.scores(images, labels, negatives, 7, SCALE).tobytes() == first.tobytes()
    assert np.abs(adaneg.scores(images[order], labels, negatives, 7, SCALE) - first[order]).max() > 1e-3
    assert np.abs(adaneg.scores(images, labels, negatives, 30, SCALE) - first).max() > 1e-3
    # What comes later changes nothing before it.
    cut = adaneg.scores(images[:49], labels, negatives, 7, SCALE)
    np.testing.assert_array_equal(cut, first[:49])


def test_without_a_sure_image_it_is_neglabel_twice() -> None:
    """An image between a label and a negative word: nothing is remembered, and the proxies are the texts."""
    labels, negatives = np.eye(4)[:1], np.eye(4)[1:2]
    images = unit(np.array([[1.0, 1.0, 0.3, 0.1], [1.0, 0.98, 0.0, 0.0]]))
    share = expit(SCALE * (images[:, 0] - images[:, 1]))
    np.testing.assert_allclose(expit(adaneg.scores(images, labels, negatives, 2, SCALE)), share, rtol=1e-12)


def test_scores_have_no_ties_where_probabilities_round_to_one() -> None:
    labels, negatives = np.eye(3)[:1], np.eye(3)[1:2]
    images = unit(np.array([[1.0, 0.0, 0.1], [1.0, 0.0, 0.2], [1.0, 0.0, 0.3]]))
    found = adaneg.scores(images, labels, negatives, 1, logit_scale=1e5)
    assert np.isfinite(found).all()
    assert len(set(found)) == 3


def test_the_surest_images_stay_and_the_text_always_does() -> None:
    """Ten entries: the text, then the nine images of lowest entropy; of a full memory the least sure one goes."""
    draw = np.random.default_rng(1)
    texts, images = unit(draw.normal(size=(2, 6))), unit(draw.normal(size=(12, 6)))
    entropies = [0.5, 0.4, 0.9, 0.3, 0.8, 0.2, 0.7, 0.1, 0.6, 0.85, 0.95, 0.0]
    kept = Memory(texts)
    for image, entropy in zip(images, entropies, strict=True):
        kept.admit(1, image, entropy)
    surest = [texts[1], *images[np.argsort(entropies)[:9]]]
    asked = unit(draw.normal(size=(4, 6)))
    weights = np.exp(-5.5 * (1 - asked @ np.transpose(surest)))
    proxies = unit(weights @ np.array(surest))
    assert kept.with_images == [1]
    np.testing.assert_allclose(kept.cosines(asked)[:, 0], (proxies * asked).sum(axis=1), rtol=1e-12)


def test_no_method_is_a_zero_shot_one_too() -> None:
    assert not ADAPTIVE.keys() & (SCORES.keys() | RULES.keys())
    assert [method.name for method in ADAPTIVE.values()] == list(ADAPTIVE)


def test_every_method_has_a_row_in_the_documentation() -> None:
    text = METHODS.read_text(encoding="utf-8")
    section = text.partition("## Methods that adapt on the test stream\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(ADAPTIVE)
