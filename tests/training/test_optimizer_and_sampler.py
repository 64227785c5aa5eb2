"""Grouping and schedule of the optimizer; order of samples; the log of a training."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from clipn.errors import ClipnError
from clipn.training.history import DivergedError, StepLog
from clipn.training.optimizer import adamw, learning_rate, set_learning_rate
from clipn.training.sampler import PROMPT, STREAMS, VIEW, Sampler
from clipn.training.settings import OptimizerSettings
from tests.helpers.golden_model import golden_figures
from tests.helpers.tiny_model import tiny_model

SAMPLES, EPOCHS = 10, 3


def settings(**fields: float) -> OptimizerSettings:
    return OptimizerSettings.model_validate({"epochs": 2, "batch_size": 4, "learning_rate": 3e-4, **fields})


def test_vectors_and_norms_do_not_decay() -> None:
    named = dict(tiny_model().no.named_parameters())
    optimizer = adamw(named.items(), settings(weight_decay=0.2))
    decay = {id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
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
    optimizer = adamw([("weight", parameter)], settings(learning_rate=0.1, weight_decay=0.2))
    set_learning_rate(optimizer, 0.01)
    before = parameter.detach().clone()
    optimizer.step()
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


def sampler(
    seed: int = 0, batch_size: int = 4, samples: int = SAMPLES, epochs: int = EPOCHS, fraction: float = 1.0
) -> Sampler:
    return Sampler(samples, batch_size, epochs, seed, fraction)


def epochs_of(taken: Sampler) -> list[list[int]]:
    """Samples of every epoch as they come."""
    orders: list[list[int]] = [[] for _ in range(taken.epochs)]
    for step in range(taken.steps):
        orders[taken.epoch(step)] += taken.rows(step).tolist()
    return orders


def draws_of(taken: Sampler, stream: int, high: int) -> list[dict[int, int]]:
    """Random number of every sample, by epoch."""
    draws: list[dict[int, int]] = [{} for _ in range(taken.epochs)]
    for step in range(taken.steps):
        numbers = taken.draw(step, stream, high).tolist()
        draws[taken.epoch(step)] |= dict(zip(taken.rows(step).tolist(), numbers, strict=True))
    return draws


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(2, [2] * 5), (3, [2, 3, 2, 3]), (4, [3, 3, 4]), (9, [5, 5]), (10, [10]), (99, [10])]
)
def test_every_sample_once_per_epoch_in_batches_as_equal_as_can_be(batch_size: int, sizes: list[int]) -> None:
    taken = sampler(batch_size=batch_size)
    assert [len(taken.rows(step)) for step in range(taken.steps)] == sizes * EPOCHS
    assert [sorted(epoch) for epoch in epochs_of(taken)] == [list(range(SAMPLES))] * EPOCHS
    assert taken.smallest_batch == min(sizes)


def test_order_depends_on_seed_and_epoch_only() -> None:
    orders = epochs_of(sampler(1))
    torch.manual_seed(99)
    assert epochs_of(sampler(1, batch_size=3)) == orders
    assert epochs_of(sampler(1, epochs=5))[:EPOCHS] == orders
    assert sampler(1).rows(4).tolist() == orders[1][3:6]
    assert len(set(map(tuple, [*orders, *epochs_of(sampler(2))]))) == 2 * EPOCHS


@pytest.mark.parametrize(("samples", "epochs", "steps"), [(10, 2, 6), (8, 2, 4), (1, 3, 3), (10, 0, 0), (0, 2, 0)])
def test_steps(samples: int, epochs: int, steps: int) -> None:
    taken = sampler(samples=samples, epochs=epochs)
    assert (taken.steps, taken.steps_per_epoch * epochs) == (steps, steps)
    lengths = [len(taken.rows(step)) for step in range(steps)]
    assert [taken.samples_before(step) for step in range(steps + 1)] == [
        sum(lengths[:step]) for step in range(steps + 1)
    ]
    assert [taken.epoch(step) for step in range(steps)] == sorted(list(range(epochs)) * taken.steps_per_epoch)
    last = [step for step in range(steps) if step == steps - 1 or taken.epoch(step + 1) > taken.epoch(step)]
    assert [step for step in range(steps) if taken.ends_epoch(step)] == last


def test_draws_depend_on_seed_epoch_sample_and_stream_only() -> None:
    draws = draws_of(sampler(1), VIEW, 1 << 62)
    torch.manual_seed(99)
    assert draws_of(sampler(1, batch_size=3), VIEW, 1 << 62) == draws
    assert draws_of(sampler(1, epochs=5), VIEW, 1 << 62)[:EPOCHS] == draws
    assert list(draws[0]) != list(draws[1])
    others = [draws_of(sampler(1), stream, 1 << 62) for stream in STREAMS if stream != VIEW]
    numbers = [
        number
        for table in (draws, draws_of(sampler(2), VIEW, 1 << 62), *others)
        for part in table
        for number in part.values()
    ]
    assert len(set(numbers)) == (1 + len(STREAMS)) * EPOCHS * SAMPLES


def test_draws_are_uniform() -> None:
    drawn = [number for part in draws_of(sampler(samples=1000), PROMPT, 5) for number in part.values()]
    assert sorted(set(drawn)) == list(range(5))
    assert all(abs(drawn.count(number) - 600) < 100 for number in range(5))  # 4.6 standard deviations


# A share of the samples


def taken_by(taken: Sampler) -> list[int]:
    """Samples of each epoch, sorted; every epoch has the same."""
    (samples,) = {tuple(sorted(epoch)) for epoch in epochs_of(taken)}
    return list(samples)


@pytest.mark.parametrize(
    ("share", "samples", "number"),
    [
        (1.0, 10, 10),
        (0.5, 10, 5),
        (0.26, 10, 3),
        (0.24, 10, 2),
        (0.01, 10, 2),
        (0.999, 10, 10),
        (0.5, 1, 1),
        (0.3, 0, 0),
    ],
)
def test_a_share_is_rounded_and_no_less_than_a_batch_of_two(share: float, samples: int, number: int) -> None:
    assert sampler(samples=samples, fraction=share).samples_per_epoch == number


def test_a_share_takes_some_samples_only_each_once_per_epoch() -> None:
    taken = sampler(samples=1000, batch_size=100, fraction=0.25)
    assert [len(taken.rows(step)) for step in range(taken.steps)] == [83, 83, 84] * EPOCHS
    assert taken.smallest_batch == 83
    assert taken.samples_before(taken.steps) == 250 * EPOCHS
    samples = taken_by(taken)
    assert len(set(samples)) == 250
    assert 0 <= samples[0] <= 20 < 980 <= samples[-1] < 1000
    assert sum(samples) / 250 == pytest.approx(499.5, abs=60)  # 3.8 standard deviations
    assert len(set(map(tuple, epochs_of(taken)))) == EPOCHS


def test_a_share_is_the_same_for_every_training_and_lies_within_larger_ones() -> None:
    shares = [taken_by(sampler(samples=100, fraction=share)) for share in (0.02, 0.1, 0.25, 0.5, 0.99, 1.0)]
    for smaller, larger in pairwise(shares):
        assert set(smaller) < set(larger)
    assert shares[-1] == list(range(100))
    torch.manual_seed(99)
    for other in (sampler(5, samples=100, fraction=0.25), sampler(batch_size=9, epochs=1, samples=100, fraction=0.25)):
        assert taken_by(other) == shares[2]
    assert taken_by(sampler(samples=12, fraction=0.5)) == [1, 2, 3, 6, 8, 9]  # as by earlier versions


def test_the_whole_is_taken_in_the_order_of_the_seed_and_epoch() -> None:
    """As it was before shares were."""
    expected = [torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(100_003 + e)) for e in range(EPOCHS)]
    assert epochs_of(sampler(1)) == [rows.tolist() for rows in expected]


def test_a_sample_gets_the_same_numbers_in_every_share() -> None:
    whole, part = (draws_of(sampler(1, samples=40, fraction=share), VIEW, 1 << 62) for share in (1.0, 0.3))
    for epoch in range(EPOCHS):
        assert len(part[epoch]) == 12
        assert part[epoch].items() < whole[epoch].items()


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
    assert issubclass(DivergedError, ClipnError)
    log = StepLog(["matched", "total"])
    with pytest.raises(DivergedError, match=r"diverged at step 7 \(matched 0\.5, total .*\); lower `learning_rate`"):
        log.add(7, 1, [0.5, value], 3e-4)
    assert log.rows == []


def test_a_log_goes_on_from_kept_rows(tmp_path: Path) -> None:
    whole = StepLog(["loss"])
    whole.add(0, 0, [1 / 3], 3e-4)
    resumed = StepLog(["loss"], torch.tensor(whole.rows, dtype=torch.float64).tolist())
    for log, name in ((whole, "whole"), (resumed, "resumed")):
        log.add(1, 0, [2 / 3], 1e-4)
        log.write(tmp_path / name)
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_log_without_steps_has_its_header(tmp_path: Path) -> None:
    StepLog(["loss"]).write(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "step,epoch,loss,learning_rate\n"
