"""What the lateral weights do: when they move, what they settle at, and when they would break."""

import copy

import pytest
import torch

from hebblab import InvalidValue
from hebblab.nn import initial
from hebblab.rules import HebbianAntiHebbian
from tests.references.subspace import of_2015

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


class TestOf2015:
    def test_it_says_what_each_variant_has_no_use_for(self):
        assert set(HebbianAntiHebbian().idle()) == {"gamma"}
        assert set(HebbianAntiHebbian(variant="2015").idle()) == {"tau"}
        knobs = HebbianAntiHebbian().knobs()
        assert list(knobs) == ["tau", "variant", "gamma", "nonnegative"]
        assert knobs["variant"].live is False, "what is held would be another network's"
        assert (knobs["gamma"].low, knobs["gamma"].high) == (0.5, 1)
        with pytest.raises(InvalidValue, match="one of 2018, 2015"):
            HebbianAntiHebbian(variant="2016")

    def test_a_fresh_rule_has_no_lateral_weights_and_the_activity_of_its_inputs(self):
        inputs, _ = cloud()
        weights = start()
        rule = HebbianAntiHebbian(variant="2015", gamma=0.9)
        assert not rule.lateral(weights).any()
        assert torch.equal(rule.circuit(weights), torch.eye(4, dtype=torch.float64))
        few = inputs[:3]
        outputs = few @ weights.T
        began = 2 * torch.pi * few.square().mean()
        activity = 0.9**3 * began + outputs.square().sum(0)
        summed = outputs.T @ few - outputs.square().sum(0)[:, None] * weights
        assert torch.allclose(rule.update(few, weights), summed / activity[:, None])
        assert rule.buffers == {}
        rule.advance(rule.statistics(few, weights), 0.3)
        assert torch.allclose(rule.buffers["activity"], activity)
        outer = outputs.T @ outputs / activity[:, None] * 0.3
        assert torch.allclose(rule.buffers["lateral"], outer.fill_diagonal_(0))

    @pytest.mark.parametrize("clamped", [False, True])
    @pytest.mark.parametrize("rate", [0.05, 1.0])
    def test_several_steps_are_those_of_the_second_reading(self, clamped, rate):
        rule = HebbianAntiHebbian(variant="2015", gamma=0.95, nonnegative=clamped)
        weights = start()
        expected, lateral, activity = weights.numpy().copy(), None, None
        for piece in cloud(24)[0].split([7, 1, 12, 4]):
            statistics = rule.statistics(piece, weights)
            weights += rate * rule.change(statistics, weights)
            rule.advance(statistics, rate)
            expected, lateral, activity = of_2015(
                piece.numpy(), expected, lateral, activity, rate, 0.95, clamped
            )
            for found, wanted in (
                (weights, expected),
                (rule.buffers["lateral"], lateral),
                (rule.buffers["activity"], activity),
            ):
                assert torch.allclose(found, torch.from_numpy(wanted), rtol=1e-8)

    def test_what_it_learns_knows_no_scale_of_the_inputs(self):
        inputs, _ = cloud(60)
        found = []
        for size in (1, 1000):
            rule = HebbianAntiHebbian(variant="2015")
            weights = learn(rule, inputs * size, start(), 20, rate=0.3)
            found.append((weights, rule.buffers["lateral"]))
        for one, other in zip(*found, strict=True):
            assert torch.allclose(one, other, rtol=1e-9)

    def test_a_rate_above_one_is_refused_before_anything_moves(self):
        inputs, _ = cloud()
        rule, weights = HebbianAntiHebbian(variant="2015"), start()
        learn(rule, inputs, weights, 2)
        held = {name: one.clone() for name, one in rule.buffers.items()}
        for rate in (1.001, 5, float("nan")):
            with pytest.raises(InvalidValue, match="variant of 2015 must be at most 1"):
                rule.advance(rule.statistics(inputs, weights), rate)
        assert all(torch.equal(rule.buffers[name], one) for name, one in held.items())
        rule.check_rate(1)
        rule.check_rate(0.7)  # above τ, which is of the other network

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_more_units_than_directions_stay_finite(self, dtype):
        inputs, _ = cloud(dtype=dtype)
        inputs[:, 2:] = 0
        for units in (4, 12):
            rule = HebbianAntiHebbian(variant="2015")
            weights = learn(rule, inputs, start(units, dtype=dtype), 400)
            filters = rule.filters(weights)
            assert float(filters.abs().max()) < 2
            assert torch.isfinite(rule.update(inputs, weights)).all()
            assert torch.allclose(inputs @ filters.T @ filters, inputs, atol=1e-2)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
    def test_dtype_is_kept(self, dtype):
        inputs, _ = cloud(dtype=dtype)
        rule = HebbianAntiHebbian(variant="2015")
        weights = learn(rule, inputs, start(dtype=torch.float32).to(dtype), 3)
        assert rule.buffers["lateral"].dtype is dtype
        for found in (rule.update(inputs, weights), rule.filters(weights)):
            assert found.dtype is dtype

    def test_nothing_but_zeros_leaves_it_fresh(self):
        inputs, _ = cloud()
        rule, weights = HebbianAntiHebbian(variant="2015"), start()
        learn(rule, inputs * 0, weights, 3)
        assert torch.equal(weights, start())
        fresh = HebbianAntiHebbian(variant="2015")
        assert torch.allclose(rule.update(inputs, weights), fresh.update(inputs, weights))

    def test_what_the_other_variant_held_is_not_taken_over(self):
        inputs, _ = cloud()
        for one, other in (("2018", "2015"), ("2015", "2018")):
            rule, weights = HebbianAntiHebbian(variant=one), start()
            learn(rule, inputs, weights, 2)
            rule.variant = other
            fresh = HebbianAntiHebbian(variant=other)
            assert torch.equal(rule.update(inputs, weights), fresh.update(inputs, weights))
            for both in (rule, fresh):
                both.advance(both.statistics(inputs, weights), 0.05)
            assert rule.buffers.keys() == fresh.buffers.keys()
            assert torch.equal(rule.buffers["lateral"], fresh.buffers["lateral"])


@pytest.mark.parametrize("variant", ["2018", "2015"])
class TestNothingBelowZero:
    def test_answers_stay_above_zero_and_filters_are_the_weights(self, variant):
        inputs, _ = cloud()
        rule = HebbianAntiHebbian(variant=variant, nonnegative=True)
        weights = learn(rule, inputs, start(6), 200)
        answers = rule.ranking(inputs, weights)
        assert (answers >= 0).all() and (answers > 0).any(dim=0).all()
        assert torch.equal(rule.filters(weights), weights)
        assert torch.equal(rule.inhibition(weights), rule.circuit(weights))
        assert rule.inhibition(weights).diagonal().min() > 0
        assert HebbianAntiHebbian(variant=variant).inhibition(weights) is None

    def test_units_come_to_stand_for_clusters(self, variant):
        """What a principal axis cannot do: one unit for each of several corners."""
        corners = torch.eye(6, dtype=torch.float64)[:4] * 2
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(400, 6, generator=generator, dtype=torch.float64)
        inputs = corners.repeat(100, 1) + 0.1 * noise
        rule = HebbianAntiHebbian(variant=variant, nonnegative=True)
        weights = learn(rule, inputs, start().abs(), 500)
        answers = rule.ranking(inputs, weights).view(100, 4, 4).mean(0)
        share = answers / answers.sum(0)
        assert share.max(dim=0).values.min() > 0.9, "each unit has a corner of its own"
        assert sorted(share.argmax(dim=0).tolist()) == [0, 1, 2, 3]

    def test_more_units_than_directions_stay_finite(self, variant):
        inputs, _ = cloud(dtype=torch.float32)
        inputs[:, 1:] = 0
        rule = HebbianAntiHebbian(variant=variant, nonnegative=True)
        weights = learn(rule, inputs[:40], start(12, dtype=torch.float32), 300)
        assert torch.isfinite(weights).all()
        assert torch.isfinite(rule.ranking(inputs, weights)).all()
