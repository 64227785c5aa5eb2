"""Grouping and schedule of the optimiser; order of samples; the log of a training."""

import math
from pathlib import Path

import pytest
import torch

from clipn.errors import ClipnError
from clipn.optimiser import adamw, learning_rate, set_learning_rate
from clipn.settings import Optimisation
from clipn.steps import StepLog, batches, count_steps
from tests.golden_model import golden_figures
from tests.tiny_model import tiny_model

SAMPLES = 10


def settings(**fields: float) -> Optimisation:
    return Optimisation.model_validate({"epochs": 2, "batch_size": 4, "learning_rate": 3e-4, **fields})


def test_vectors_and_norms_do_not_decay() -> None:
    named = dict(tiny_model().no.named_parameters())
    optimiser = adamw(named.items(), settings(weight_decay=0.2))
    decay = {id(parameter): group["weight_decay"] for group in optimiser.param_groups for parameter in group["params"]}
    decayed = {name for name, parameter in named.items() if decay[id(parameter)] == 0.2}
    exempt = {name for name, parameter in named.items() if decay[id(parameter)] == 0}
    assert decayed | exempt == set(named)
    assert {"prompts", "token_embedding.weight", "positional_embedding", "text_projection"} < decayed
    assert all(named[name].ndim >= 2 and "bias" not in name and "ln" not in name for name in decayed)
    assert all(named[name].ndim == 1 for name in exempt)


@pytest.mark.parametrize("name", ["visual.bn1.weight", "ln_final.weight", "attn.in_proj_bias", "logit_scale"])
def test_exempt_by_name_whatever_the_shape(name: str) -> None:
    groups = adamw([(name, torch.nn.Parameter(torch.ones(2, 2)))], settings()).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0, 1), (0.2, 0)]


def test_first_step_of_adamw_is_the_formula() -> None:
    parameter = torch.nn.Parameter(torch.tensor([[2.0, -1.0]], dtype=torch.float64))
    gradient = torch.tensor([[0.5, 1e-6]], dtype=torch.float64)
    parameter.grad = gradient
    optimiser = adamw([("weight", parameter)], settings(learning_rate=0.1, weight_decay=0.2))
    set_learning_rate(optimiser, 0.01)
    before = parameter.detach().clone()
    optimiser.step()
    expected = before * (1 - 0.01 * 0.2) - 0.01 * gradient / (gradient.abs() + 1e-6)
    torch.testing.assert_close(parameter.detach(), expected)


def test_cosine_of_the_authors(golden: Path) -> None:
    expected = golden_figures(golden)[1]["train_log"][:, 4]
    assert [learning_rate(settings(), step, 6) for step in range(6)] == pytest.approx(expected.tolist(), rel=1e-6)


def test_warm_up_rises_to_the_rate_and_the_cosine_falls_to_zero() -> None:
    warm = settings(learning_rate=1.0, warmup_steps=4)
    rates = [learning_rate(warm, step, 14) for step in range(15)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1, 1]
    assert rates[9] == pytest.approx(0.5)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[14] == pytest.approx(0, abs=1e-12)


def test_a_warm_up_longer_than_the_training_only_rises() -> None:
    warm = settings(learning_rate=1.0, warmup_steps=10)
    assert [learning_rate(warm, step, 3) for step in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    assert math.isfinite(learning_rate(settings(warmup_steps=3), 3, 3))


# Order of samples


def epochs(seed: int, **fields: float) -> list[list[int]]:
    orders: list[list[int]] = [[] for _ in range(int(fields.get("epochs", 2)))]
    for _, epoch, indices in batches(SAMPLES, settings(**fields), seed, "test"):
        orders[epoch] += indices.tolist()
    return orders


@pytest.mark.parametrize("batch_size", [2, 3, 4, 10, 99])
def test_every_sample_once_per_epoch(batch_size: int) -> None:
    drawn = list(batches(SAMPLES, settings(batch_size=batch_size), 0, "test"))
    assert [step for step, _, _ in drawn] == list(range(count_steps(SAMPLES, settings(batch_size=batch_size))))
    assert all(len(indices) <= batch_size for _, _, indices in drawn)
    assert [sorted(order) for order in epochs(0, batch_size=batch_size)] == [list(range(SAMPLES))] * 2


def test_order_depends_on_seed_and_epoch_only() -> None:
    orders = epochs(1)
    torch.manual_seed(99)
    assert epochs(1, batch_size=3) == orders
    assert epochs(1, epochs=3)[:2] == orders
    assert orders[0] != orders[1]
    assert not set(map(tuple, orders)) & set(map(tuple, epochs(2)))


@pytest.mark.parametrize(("samples", "epochs", "steps"), [(10, 2, 6), (8, 2, 4), (1, 3, 3), (10, 0, 0)])
def test_steps_count_the_smaller_last_batch(samples: int, epochs: int, steps: int) -> None:
    assert count_steps(samples, settings(epochs=epochs)) == steps
    assert len(list(batches(samples, settings(epochs=epochs), 0, "test"))) == steps


# Log


def test_log(tmp_path: Path) -> None:
    log = StepLog(["matched", "total"])
    log.add(0, 0, [0.5, 1 / 3], 3e-4)
    log.add(1, 0, [12, 0], 0)
    log.write(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_bytes().decode().splitlines(keepends=True) == [
        "step,epoch,matched,total,learning_rate\n",
        "0,0,0.500000,0.333333,3.000000e-04\n",
        "1,0,12.000000,0.000000,0.000000e+00\n",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_training_that_diverges_is_stopped(value: float) -> None:
    with pytest.raises(ClipnError, match=r"diverged at step 7 \(matched 0\.5, total .*\); lower `learning_rate`"):
        StepLog(["matched", "total"]).add(7, 1, [0.5, value], 3e-4)


def test_a_log_without_steps_has_its_header(tmp_path: Path) -> None:
    StepLog(["loss"]).write(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "step,epoch,loss,learning_rate\n"
