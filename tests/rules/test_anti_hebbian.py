"""What the lateral weights do: when they move, what they settle at, and when they would break."""

import copy

import pytest
import torch

from hebblab import InvalidValue
from hebblab.nn import initial
from hebblab.rules import HebbianAntiHebbian

VARIANCES = (5.0, 3.5, 2.5, 1.5, 0.4, 0.2)


def cloud(samples=300, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 6, generator=generator, dtype=torch.float64)
    inputs = inputs @ torch.linalg.inv(torch.linalg.cholesky(inputs.T @ inputs / samples)).T
    inputs *= torch.tensor(VARIANCES).sqrt()
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    return (inputs @ turn).to(dtype), turn


def start(units=4, seed=1, dtype=torch.float64):
    weights = torch.empty(units, 6, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    return initial.draw_(weights, HebbianAntiHebbian.initial_weights, generator)


def learn(rule, inputs, weights, steps, rate=0.05):
    for _ in range(steps):
        statistics = rule.statistics(inputs, weights)
        weights += rate * rule.change(statistics, weights)
        rule.advance(statistics, rate)
    return weights


def test_where_it_starts_and_what_it_holds():
    rule = HebbianAntiHebbian()
    assert rule.initial_weights == "normal(0, 1/sqrt(fan_in))"
    assert (rule.learning_rate, rule.tau, rule.norm, rule.bounded) == (0.01, 0.5, None, True)
    assert rule.buffers == {}
    knob = rule.knobs()["tau"]
    assert (knob.low, knob.high) == (0.05, 1)
    for refused in (1.25, 0.04):
        with pytest.raises(InvalidValue, match="τ"):
            HebbianAntiHebbian(tau=refused)


def test_a_fresh_rule_has_the_identity():
    inputs, _ = cloud()
    weights = start()
    rule = HebbianAntiHebbian()
    expected = 2 * (weights @ inputs.T @ inputs / len(inputs) - weights)
    assert torch.allclose(rule.update(inputs, weights), expected)
    assert torch.equal(rule.filters(weights), weights)
    assert torch.equal(rule.lateral(weights), torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("tau", [0.2, 0.5, 1.0])
def test_the_filters_settle_on_the_leading_axes_and_the_lateral_weights_on_their_variances(tau):
    inputs, turn = cloud()
    rule = HebbianAntiHebbian(tau=tau)
    weights = learn(rule, inputs, start(), 3000)
    filters = rule.filters(weights)
    identity = torch.eye(4, dtype=torch.float64)
    assert torch.allclose(filters @ filters.T, identity, atol=1e-3)
    assert torch.allclose(filters.T @ filters, turn[:4].T @ turn[:4], atol=2e-2)
    lateral = rule.buffers["lateral"]
    variances = torch.linalg.eigvalsh(lateral).flip(0)
    assert torch.allclose(variances, torch.tensor(VARIANCES[:4]).double(), rtol=1e-2)
    assert torch.allclose(weights, lateral @ filters)
    assert not torch.allclose(weights @ weights.T, identity, atol=0.5), "W itself is no projector"


def test_lateral_weights_that_are_too_slow_do_not_settle():
    inputs, turn = cloud()
    rule = HebbianAntiHebbian.model_construct(tau=2.0)  # past its bound, which refuses it
    filters = rule.filters(learn(rule, inputs, start(), 3000))
    assert not torch.allclose(filters.T @ filters, turn[:4].T @ turn[:4], atol=0.3)


def test_a_rate_of_tau_or_more_is_refused_before_anything_moves():
    inputs, _ = cloud()
    weights = start()
    rule = HebbianAntiHebbian(tau=0.2)
    learn(rule, inputs, weights, 2)
    held = rule.buffers["lateral"].clone()
    for rate in (0.2, 0.3, 5, float("nan")):
        with pytest.raises(InvalidValue, match=r"below τ \(tau\).*is not below 0.2"):
            rule.check_rate(rate)
        with pytest.raises(InvalidValue, match="lateral weights would overshoot"):
            rule.advance(rule.statistics(inputs, weights), rate)
    assert torch.equal(rule.buffers["lateral"], held)
    for rate in (0, 0.1, 0.1999):
        rule.check_rate(rate)


def test_below_tau_the_lateral_weights_stay_positive():
    inputs, _ = cloud()
    rule = HebbianAntiHebbian(tau=0.1)
    weights = start()
    for piece in inputs.split(5):
        learn(rule, piece, weights, 1, rate=0.099)
        assert float(torch.linalg.eigvalsh(rule.buffers["lateral"])[0]) > -1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_more_units_than_directions_stay_finite(dtype):
    """The lateral weights fade towards singular where no input goes; what is solved does not."""
    inputs, _ = cloud(dtype=dtype)
    inputs[:, 2:] = 0
    for units in (4, 12):
        rule = HebbianAntiHebbian()
        weights = learn(rule, inputs, start(units, dtype=dtype), 400)
        assert float(torch.linalg.eigvalsh(rule.buffers["lateral"])[0]) < 1e-3
        filters = rule.filters(weights)
        assert float(filters.abs().max()) < 2
        assert torch.isfinite(rule.update(inputs, weights)).all()
        assert torch.allclose(inputs @ filters.T @ filters, inputs, atol=1e-3)


def test_lateral_weights_of_zero_still_give_numbers():
    inputs, _ = cloud()
    rule = HebbianAntiHebbian()
    rule.hold({"lateral": torch.zeros(4, 4, dtype=torch.float64)})
    assert torch.isfinite(rule.update(inputs, start())).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    inputs, _ = cloud(dtype=dtype)
    rule = HebbianAntiHebbian()
    weights = learn(rule, inputs, start(dtype=torch.float32).to(dtype), 3)
    assert rule.buffers["lateral"].dtype is dtype
    for found in (rule.update(inputs, weights), rule.filters(weights)):
        assert found.dtype is dtype
    other = torch.float32 if dtype is torch.float64 else torch.float64
    assert rule.update(inputs.to(other), weights.to(other)).dtype is other


def test_a_copy_holds_lateral_weights_of_its_own():
    inputs, _ = cloud()
    weights = start()
    rule = HebbianAntiHebbian()
    learn(rule, inputs, weights, 2)
    for other in (rule.model_copy(deep=True), copy.deepcopy(rule)):
        held = other.buffers["lateral"].clone()
        learn(rule, inputs, weights.clone(), 2)
        assert torch.equal(other.buffers["lateral"], held)


def test_features_are_uncorrelated_by_the_lateral_weights():
    """Without them all units would turn to one axis, as with Oja's rule."""
    inputs, _ = cloud()
    rule = HebbianAntiHebbian()
    outputs = rule.ranking(inputs, learn(rule, inputs, start(), 3000))
    values = torch.linalg.eigvalsh(outputs.T @ outputs / len(inputs)).flip(0)
    assert torch.allclose(values, torch.tensor(VARIANCES[:4]).double(), rtol=0.02)
