"""What the rule of Krotov and Hopfield is known to do, and where it is known to fail."""

import pytest
import torch

from hebblab import InvalidValue, KrotovsRule, UnknownName, metrics, rules
from hebblab.rules import KrotovHopfield
from hebblab.rules.krotov import signed_power

POWERS = [2.0, 2.5, 3.0, 4.0]


def drawn(samples=40, fan_in=12, units=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(units, fan_in, generator=generator, dtype=torch.float64)


def test_it_answers_to_both_names():
    assert KrotovsRule is KrotovHopfield
    rule = rules.create("krotov-hopfield")
    assert type(rule) is KrotovsRule
    assert (rule.delta, rule.k, rule.p, rule.reduction) == (0.4, 2, 2.0, "max")
    assert rule.initial_weights == "uniform(0, 1)"
    assert rule.learning_rate == 0.1


@pytest.mark.parametrize("p", POWERS)
def test_a_single_unit_settles_at_the_mean_of_its_inputs_with_p_norm_one(p):
    generator = torch.Generator().manual_seed(3)
    inputs = torch.rand(30, 8, generator=generator, dtype=torch.float64)
    weights = torch.rand(2, 8, generator=generator, dtype=torch.float64)
    weights[1] = 0  # never responds, so that the other unit wins every input
    rule = KrotovsRule(delta=0, p=p, reduction="mean")
    for _ in range(3000):
        weights += 0.05 * rule.update(inputs, weights)
    mean = inputs.mean(0)
    assert float(weights[0].abs().pow(p).sum().pow(1 / p)) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(weights[0], mean / mean.pow(p).sum().pow(1 / p), atol=1e-5)
    assert not weights[1].any()


@pytest.mark.parametrize("p", POWERS)
def test_the_norm_moves_towards_one_where_the_pull_is_positive_and_away_where_it_is_not(p):
    inputs, weights = drawn()
    rule = KrotovsRule(p=p, reduction="sum", delta=1.5)
    pull = rule.statistics(inputs, weights)[1]
    slope = p * (signed_power(weights, p) * rule.update(inputs, weights)).sum(1)
    power = weights.abs().pow(p).sum(1)
    assert torch.allclose(slope, p * pull * (1 - power), atol=1e-9 * float(slope.abs().max()))
    assert (pull > 0).any()
    assert (pull < 0).any()


def test_large_rows_win_as_responses_are_raw():
    """The paper divides by the norm; the authors' code, and this rule, do not."""
    inputs = torch.tensor([[1.0, 0.9]])
    weights = torch.tensor([[1.0, 0.9], [9.0, 0.0]])
    change = KrotovsRule(delta=0, reduction="sum").update(inputs, weights)
    assert change[1].any()
    assert not change[0].any()


def test_the_largest_change_is_one_whatever_the_scale_and_the_batch():
    inputs, weights = drawn()
    rule = KrotovsRule()
    change = rule.update(inputs, weights)
    assert float(change.abs().max()) == pytest.approx(1, abs=1e-12)
    for other in (inputs * 1e-6, inputs * 1e6, inputs.repeat(5, 1)):
        assert torch.allclose(rule.update(other, weights), change, atol=1e-9)


def test_the_precision_floor_is_the_smallest_divisor():
    inputs, weights = drawn()
    tiny, plain = inputs * 1e-6, KrotovsRule(reduction="sum")
    floored = KrotovsRule(precision_floor=1e-3)
    assert torch.allclose(floored.update(tiny, weights), plain.update(tiny, weights) / 1e-3)
    assert float(KrotovsRule().update(tiny, weights).abs().max()) == pytest.approx(1)


@pytest.mark.parametrize("p", [1.01, 1.5, 2.5, 3.7, 8.0])
def test_negative_weights_have_signed_powers_and_no_nan(p):
    weights = torch.tensor([[-2.0, 0.0, 0.5, -1e-30]])
    powered = signed_power(weights, p)
    assert torch.isfinite(powered).all()
    assert torch.equal(powered.sign() * (powered != 0), weights.sign() * (powered != 0))
    assert torch.allclose(powered[0, 0], -(torch.tensor(2.0) ** (p - 1)))
    inputs, weights = drawn()
    assert torch.isfinite(KrotovsRule(p=p).update(inputs, weights)).all()


@pytest.mark.parametrize(
    "knobs", [{"k": 1}, {"k": 0}, {"p": 1.0}, {"p": 0.5}, {"p": 8.1}, {"delta": 2.1}, {"delta": -1}]
)
def test_what_the_mathematics_forbids_is_refused(knobs):
    with pytest.raises(InvalidValue, match=f"must be .*not {next(iter(knobs.values()))}"):
        KrotovsRule(**knobs)


def test_a_rank_that_no_unit_has_is_refused():
    inputs, weights = drawn(units=6)
    KrotovsRule(k=6).update(inputs, weights)
    with pytest.raises(InvalidValue, match="more than the 6 units"):
        KrotovsRule(k=7).update(inputs, weights)
    with pytest.raises(InvalidValue, match="layer 'hidden'; it goes from 2 to 6"):
        KrotovsRule(k=7).check_layer(6, "hidden")
    KrotovsRule(k=6).check_layer(6, "hidden")


def test_a_knob_it_does_not_have_is_named():
    with pytest.raises(UnknownName, match="Did you mean 'delta'"):
        KrotovsRule(detla=0.2)


def test_samples_that_are_all_zero_change_nothing_but_a_mean():
    inputs, weights = drawn()
    padded = torch.cat((inputs, torch.zeros(40, 12, dtype=torch.float64)))
    for reduction, factor in (("max", 1), ("sum", 1), ("mean", 0.5)):
        rule = KrotovsRule(reduction=reduction, p=2.5, k=3)
        assert torch.allclose(
            rule.update(padded, weights), factor * rule.update(inputs, weights), atol=1e-12
        )


def test_the_norm_it_holds_is_p():
    assert KrotovsRule(p=3.0).norm == 3.0


def test_it_says_in_words_what_its_knobs_mean():
    assert KrotovsRule(delta=0).in_words() == "The winner learns; nobody unlearns."
    for k, word in ((2, "2nd"), (3, "3rd"), (7, "7th"), (11, "11th"), (12, "12th"), (21, "21st")):
        assert word in KrotovsRule(k=k, delta=0.25).in_words()
    assert "0.25" in KrotovsRule(delta=0.25).in_words()


def test_every_wide_start_learns_digits_and_every_narrow_one_collapses(train):
    healthy = train(KrotovsRule(), "uniform(0, 1)", 0.1).steps(420, decay=True)
    assert healthy.visible > 0.9
    assert healthy.entropy > 0.9
    assert float(metrics.convergence(healthy.weights, 2.0).converged) > 0.95

    collapsed = train(KrotovsRule(), "normal(0, 0.033)", 0.04).steps(420, decay=True)
    assert collapsed.entropy < 0.1
    assert float(metrics.convergence(collapsed.weights, 2.0).converged) > 0.9, (
        "a dead network can look converged"
    )


def test_raising_p_needs_the_rows_rescaled(train):
    settled = train(KrotovsRule(), "uniform(0, 0.2)", 0.01).steps(420)
    rule = next(iter(settled.trainer.rules.values()))
    before = settled.weights.clone()
    rule.p = 3.0
    settled.steps(60)
    assert settled.entropy < 0.2

    settled.weights.copy_(before / metrics.norms(before, 3.0)[:, None])
    settled.steps(60)
    assert settled.entropy > 0.9
    assert settled.visible > 0.9
