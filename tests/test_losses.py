"""Losses against the paper's formulas written as plain loops, and at the edges of float32."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from clipn.losses import itbo, total, tso
from tests.helpers.tiny_model import unit

N, D = 5, 8


def features(n: int = N) -> tuple[Tensor, Tensor, Tensor]:
    """Image, "yes" and "no" features; gradients are asked of "no"."""
    image, yes, no = (unit(n, D, seed) for seed in range(3))
    return image, yes, no.requires_grad_()


def plain_itbo(image: Tensor, yes: Tensor, no: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Equations 3 and 4 in the probability form."""
    n = len(image)
    matched, unmatched = torch.zeros(()), torch.zeros(())
    for i in range(n):
        for j in range(n):
            says_yes = (scale * (image[i] * yes[j]).sum()).exp()
            says_no = (scale * (image[i] * no[j]).sum()).exp()
            p_no = says_no / (says_yes + says_no)
            if i == j:
                matched = matched - (1 - p_no).log() / n
            else:
                unmatched = unmatched - p_no.log() / (n * (n - 1))
    return matched, unmatched


def plain_tso(yes: Tensor, no: Tensor, eps: float) -> Tensor:
    """Equation 5."""
    total = torch.zeros(())
    for row in range(len(yes)):
        total = total + 2 - (((yes[row] - no[row]) ** 2).sum() + eps).sqrt()
    return total / len(yes)


def assert_same(ours: Tensor, no: Tensor, theirs: Tensor, plain_no: Tensor) -> None:
    """Equal values and equal gradients at float32's precision."""
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad(ours, no, retain_graph=True)
    (expected,) = torch.autograd.grad(theirs, plain_no, retain_graph=True)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07])
@pytest.mark.parametrize("n", [2, N])
def test_itbo_is_the_formula(n: int, scale: float) -> None:
    image, yes, no = features(n)
    plain_no = no.detach().double().requires_grad_()
    theirs = plain_itbo(image.double(), yes.double(), plain_no, scale)
    for ours, expected in zip(itbo(image, yes, no, scale), theirs, strict=True):
        assert_same(ours, no, expected, plain_no)


def test_itbo_takes_the_scale_as_a_tensor() -> None:
    assert itbo(*features(), torch.tensor(20.0)) == itbo(*features(), 20.0)


@pytest.mark.parametrize("eps", [1e-4, 0.0])
def test_tso_is_the_formula(eps: float) -> None:
    _, yes, no = features()
    plain_no = no.detach().double().requires_grad_()
    assert_same(tso(yes, no, eps), no, plain_tso(yes.double(), plain_no, eps), plain_no)


def test_tso_of_antipodal_and_identical_captions() -> None:
    yes = unit(N, D)
    assert tso(yes, -yes, 0).item() == pytest.approx(0, abs=1e-6)
    assert tso(yes, -yes).item() == pytest.approx(2 - math.sqrt(4 + 1e-4), abs=1e-6)
    assert tso(yes, yes, 0).item() == 2
    assert tso(yes, yes).item() == pytest.approx(1.99, abs=1e-6)


def test_saturated_logits_cost_their_difference() -> None:
    image, yes, no = features()
    matched, unmatched = itbo(image, yes, no, 1e4)
    difference = 1e4 * image @ (no - yes).T
    others = ~torch.eye(N, dtype=torch.bool)
    torch.testing.assert_close(matched, difference.diagonal().relu().mean())
    torch.testing.assert_close(unmatched, (-difference)[others].relu().mean())
    (gradient,) = torch.autograd.grad(matched + unmatched, no)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("eps", [1e-4, 0.0])
def test_identical_captions_have_a_finite_gradient(eps: float) -> None:
    yes = unit(N, D)
    no = yes.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(tso(yes, no, eps), no)
    assert torch.equal(gradient, torch.zeros(N, D))


def test_one_sample_has_no_unmatched_pair() -> None:
    image, yes, no = features(1)
    matched, unmatched = itbo(image, yes, no, 10.0)
    assert matched.item() == pytest.approx(plain_itbo(image, yes, no, 10.0)[0].item(), rel=1e-5)
    assert unmatched.item() == 0
    (gradient,) = torch.autograd.grad(matched + unmatched, no)
    assert gradient.isfinite().all()


def test_autocast_does_not_reach_the_losses() -> None:
    image, yes, no = features()
    outside = (*itbo(image, yes, no, 100.0), tso(yes, no))
    with torch.autocast("cpu", torch.bfloat16):
        inside = (*itbo(image, yes, no, 100.0), tso(yes, no))
    assert inside == outside
    assert {loss.dtype for loss in inside} == {torch.float32}


def test_coarse_features_are_summed_in_float32() -> None:
    image, yes, no = (tensor.bfloat16() for tensor in features())
    assert itbo(image, yes, no, 100.0) == itbo(image.float(), yes.float(), no.float(), 100.0)
    assert tso(yes, no) == tso(yes.float(), no.float())


@pytest.mark.parametrize(
    ("losses", "value", "slopes"),
    [("both", 1.75, [0.25, 0.25, 0.25]), ("itbo", 1.25, [0.25, 0.25, 0]), ("tso", 0.5, [0, 0, 0.25])],
)
def test_the_named_losses_alone_make_up_the_total(
    losses: Literal["both", "itbo", "tso"], value: float, slopes: list[float]
) -> None:
    """A quarter of 1 + 4, of 2, or of all."""
    parts = [torch.tensor(number, requires_grad=True) for number in (1.0, 4.0, 2.0)]
    summed = total(*parts, losses, 0.25)
    assert summed.item() == value
    gradients = torch.autograd.grad(summed, parts, allow_unused=True, materialize_grads=True)
    assert [gradient.item() for gradient in gradients] == slopes


def test_first_step_costs_1_688() -> None:
    """Towers identical, prompts zero, half the sum: the value of the released code's first step."""
    image, yes, _ = features()
    matched, unmatched = itbo(image, yes, yes, 100.0)
    assert (matched.item(), unmatched.item()) == pytest.approx((math.log(2), math.log(2)))
    assert total(matched, unmatched, tso(yes, yes), "both", 0.5).item() == pytest.approx(1.688, abs=5e-4)
