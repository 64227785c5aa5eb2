"""ZPE against plain loops and by hand: which prompts weigh most, and that neither order nor blocks count."""

import numpy as np
import pytest
from numpy.typing import NDArray

from clipn.adaptation import zpe
from clipn.adaptation.zpe import prompt_weights
from tests.helpers.plain_zpe import plain_weights

Array = NDArray[np.float64]
SCALE = 12.0


def unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def planted() -> tuple[Array, Array, Array]:
    """Images, prompts and pretraining images; the later the prompt, the more noise is in its texts."""
    draw = np.random.default_rng(3)
    classes = unit(draw.normal(size=(4, 8)))
    noise = np.linspace(0, 1, 6)[:, None, None] * draw.normal(size=(6, 4, 8))
    images = classes[draw.integers(4, size=50)] + 0.3 * draw.normal(size=(50, 8))
    return unit(images), unit(classes + noise), unit(draw.normal(size=(30, 8)) + 0.5)


@pytest.mark.parametrize("block", [1, 7, 50, 1024])
def test_plain_loops(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zpe, "BLOCK", block)
    images, prompts, pretraining = planted()
    expected = plain_weights(images.tolist(), prompts.tolist(), pretraining.tolist(), SCALE)
    found = prompt_weights(images, prompts, pretraining.mean(axis=0), SCALE)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found.sum() == pytest.approx(1)


def test_features_as_they_are_cached() -> None:
    """In float32 they are rounded, and nothing after them."""
    images, prompts, pretraining = planted()
    rounded = images.astype(np.float32), prompts.astype(np.float32)
    expected = plain_weights(rounded[0].tolist(), rounded[1].tolist(), pretraining.tolist(), 100.0)
    np.testing.assert_allclose(prompt_weights(*rounded, pretraining.mean(axis=0)), expected, rtol=1e-6)


def test_a_clear_prompt_weighs_more_than_a_blurred_one() -> None:
    images, prompts, pretraining = planted()
    found = prompt_weights(images, prompts, pretraining.mean(axis=0), SCALE)
    assert found.argmax() == 0
    assert found[0] > 2 * found[-1]


def test_order_does_not_count() -> None:
    images, prompts, pretraining = planted()
    order = np.random.default_rng(0).permutation(len(images))
    found = prompt_weights(images, prompts, pretraining.mean(axis=0), SCALE)
    np.testing.assert_allclose(
        prompt_weights(images[order], prompts, pretraining.mean(axis=0), SCALE), found, rtol=1e-12
    )


def test_a_text_that_fits_all_images_alike_is_worth_nothing() -> None:
    """One prompt tells the images apart, the other has one class that is near all of them, of either kind."""
    images = np.eye(4)[[0, 1, 0, 1]] * 0.6 + np.eye(4)[2] * 0.8
    telling, flat = np.eye(4)[[0, 1]], np.eye(4)[[2, 3]]
    found = prompt_weights(images, np.stack([telling, flat]), images.mean(axis=0), SCALE)
    # The highest logit is 0.6 less the mean 0.3, times the scale; 0.8 less 0.8, which is 0.
    assert found[0] / found[1] == pytest.approx(np.exp(SCALE * 0.3))


@pytest.mark.parametrize("which", ["pretraining", "test"])
def test_half_of_what_is_usual_comes_from_either_kind_of_images(which: str) -> None:
    """Pretraining images that are near a text take half of their mean logit from it."""
    image = np.array([[1.0, 0.0]])
    prompts = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    pretraining = np.array([0.5, 0.0]) if which == "pretraining" else np.zeros(2)
    found = prompt_weights(image, prompts, pretraining, SCALE)
    # Of the test images the mean is the one image itself.
    higher = 1 - 0.5 * (1 + pretraining[0])
    assert found[0] / found[1] == pytest.approx(np.exp(SCALE * higher))
