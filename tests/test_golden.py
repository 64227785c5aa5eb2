"""Our model, losses, scores and metrics against figures measured from the authors' code."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from clipn.losses import itbo, tso
from clipn.metrics import auroc, fpr
from clipn.model import class_weights
from clipn.prompts import prompt_pool
from clipn.scores import SCORES
from tests.golden_model import golden_figures, golden_model, released_name

METHODS = ("msp", "max_logit", "energy", "ctw", "atd")


@pytest.fixture
def released(golden: Path) -> SimpleNamespace:
    figures, arrays = golden_figures(golden)
    return SimpleNamespace(model=golden_model(golden), figures=figures, arrays=arrays)


def close(ours: torch.Tensor, theirs: Any, tolerance: float = 2e-6) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs, atol=tolerance, rtol=0)


def test_features_of_all_towers(released: SimpleNamespace) -> None:
    model, arrays = released.model, released.arrays
    tokens = torch.from_numpy(arrays["train_tokens"]).long()
    choice = torch.from_numpy(arrays["prompt_choice"][0]).long()
    close(model.encode_image(torch.from_numpy(arrays["train_images"])), arrays["image_features"])
    close(model.encode_text(tokens), arrays["yes_features"])
    close(model.encode_no_text(tokens), arrays["no_features_eval"])
    close(model.no(tokens, choice), arrays["no_features_train"])


def test_tokens(released: SimpleNamespace) -> None:
    tokens = released.model.tokenizer(released.figures["captions"])
    np.testing.assert_array_equal(tokens, released.arrays["train_tokens"])


def test_losses_and_gradients_of_the_first_step(released: SimpleNamespace) -> None:
    model, arrays = released.model, released.arrays
    image, yes = (torch.from_numpy(arrays[f"{name}_features"]) for name in ("image", "yes"))
    tokens = torch.from_numpy(arrays["train_tokens"]).long()
    no = model.no(tokens, torch.from_numpy(arrays["prompt_choice"][0]).long())
    matched, unmatched = itbo(image, yes, no, model.logit_scale)
    opposite = tso(yes, no)
    total = 0.5 * (matched + unmatched + opposite)
    close(torch.stack([matched, unmatched, opposite, total]), arrays["train_log"][0, :4], 1e-5)

    total.backward()
    gradients = {released_name(f"no.{name}"): value.grad for name, value in model.no.named_parameters()}
    compared = 0
    for key in arrays.files:
        if key.startswith("grad/"):
            theirs = 2 * arrays[key]
            close(gradients[key.removeprefix("grad/")], theirs, 2e-5 * max(1.0, float(np.abs(theirs).max())))
            compared += 1
    assert compared >= len(gradients) - 1


@pytest.mark.parametrize("which", ["yes", "no"])
def test_class_weights_from_the_released_prompts(released: SimpleNamespace, which: str) -> None:
    model = released.model
    encode = model.encode_text if which == "yes" else model.encode_no_text
    weights = class_weights(encode, model.tokenizer, released.figures["classes"], prompt_pool("clipn128"))
    close(weights, released.arrays[f"class_weights_{which}"])


@pytest.mark.parametrize("method", METHODS)
def test_scores_and_metrics(released: SimpleNamespace, method: str) -> None:
    arrays, expected = released.arrays, released.figures["metrics"][method]
    score = {
        which: SCORES[method](arrays[f"{which}_yes_logits"], arrays[f"{which}_no_logits"]) for which in ("id", "ood")
    }
    for which in ("id", "ood"):
        np.testing.assert_allclose(score[which], arrays[f"{which}_{method}"], rtol=0, atol=2e-6)
    one_tie_in_float32 = 1 / (len(score["id"]) * len(score["ood"]))
    assert auroc(score["id"], score["ood"]) == pytest.approx(
        expected["auroc"], abs=1.01 * one_tie_in_float32 if method == "ctw" else 1e-12
    )
    assert fpr(score["id"], score["ood"]) == pytest.approx(expected["fpr95"], abs=1e-12)
