"""Soft winners at unit norm: where they settle, what they are when cold, how warmth kills them."""

import math

import pytest
import torch

from hebblab import InvalidValue, metrics, rules
from hebblab.rules import KrotovHopfield, SoftHebb, SoftKrotov


def drawn(samples=40, fan_in=12, units=6, seed=0, positive=False):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    weights = torch.randn(units, fan_in, generator=generator, dtype=torch.float64)
    return (inputs.abs(), weights.abs()) if positive else (inputs, weights)


def clearly_won(inputs, weights, p=2.0):
    """The samples whose winner leads by so much that a cold softmax has no doubt."""
    powered = weights.sign() * weights.abs() ** (p - 1)
    best = (inputs @ powered.T).sort(dim=1, descending=True).values
    clear = inputs[best[:, 0] - best[:, 1] > 0.4]
    assert len(clear) > 10
    return clear


def test_where_they_start():
    for name in ("softhebb", "soft-krotov"):
        rule = rules.create(name)
        assert (rule.initial_weights, rule.learning_rate) == ("uniform(0, 1)", 0.1)
        assert (rule.reduction, rule.precision_floor) == ("max", 1e-30)
    assert (SoftHebb().temperature, SoftHebb().anti_hebbian) == (1.0, True)
    assert SoftHebb.starting_knobs == {"temperature": 0.15}, "1 is too warm for raw pixels"
    soft = SoftKrotov()
    assert (soft.temperature, soft.delta, soft.k, soft.p) == (0.15, 0.4, 2, 2.0)
    assert soft.push == "absolute"
    assert SoftHebb().norm == 2.0
    assert SoftKrotov(p=3.0).norm == 3.0


def test_only_the_best_learns_and_the_others_unlearn_by_their_share():
    inputs, weights = drawn()
    responses = inputs @ weights.T
    shares = SoftHebb().shares(inputs, responses)
    assert torch.allclose(shares.abs(), torch.softmax(responses, 1), atol=1e-15)
    best = responses.argmax(1)
    assert (shares.gather(1, best[:, None]) > 0).all()
    assert ((shares > 0).sum(1) == 1).all()
    milder = SoftHebb(anti_hebbian=False).shares(inputs, responses)
    assert torch.allclose(milder, shares.abs())


def test_the_kth_is_pushed_by_all_of_delta_or_by_delta_of_its_share():
    inputs, weights = drawn()
    responses = inputs @ weights.T
    shares = torch.softmax(responses, 1)
    third = responses.sort(dim=1, descending=True).indices[:, 2:3]
    knobs = {"temperature": 1.0, "k": 3, "delta": 0.3}
    absolute = SoftKrotov(**knobs).shares(inputs, responses)
    relative = SoftKrotov(push="relative", **knobs).shares(inputs, responses)
    assert torch.allclose(absolute, shares.scatter(1, third, -0.3), atol=1e-15)
    assert torch.allclose(
        relative, shares.scatter(1, third, -0.3 * shares.gather(1, third)), atol=1e-15
    )


def test_a_blank_sample_has_no_winner():
    inputs, weights = drawn()
    inputs[7] = 0
    for rule in (SoftHebb(), SoftKrotov(), SoftKrotov(push="relative")):
        shares = rule.shares(inputs, rule.ranking(inputs, weights))
        assert not shares[7].any()
        assert shares[6].any()


def test_equal_responses_go_to_the_lowest_index():
    inputs, weights = drawn()
    twice = torch.cat((weights, weights))
    shares = SoftHebb().shares(inputs, SoftHebb().ranking(inputs, twice))
    assert (shares.argmax(1) < 6).all()
    pushed = SoftKrotov(k=2).shares(inputs, SoftKrotov().ranking(inputs, twice)).argmin(1)
    assert (pushed >= 6).all(), "the copy of the winner is second"


@pytest.mark.parametrize("reduction", ["max", "mean", "sum"])
def test_cold_softhebb_is_krotov_and_hopfield_without_the_push(reduction):
    inputs, weights = drawn(200)
    clear = clearly_won(inputs, weights)
    for anti_hebbian in (True, False):
        cold = SoftHebb(temperature=0.01, anti_hebbian=anti_hebbian, reduction=reduction)
        hard = KrotovHopfield(delta=0, reduction=reduction)
        changes = cold.update(clear, weights), hard.update(clear, weights)
        assert torch.allclose(*changes, atol=1e-12)


@pytest.mark.parametrize("p", [2.0, 2.5, 3.0])
@pytest.mark.parametrize("k", [2, 5])
def test_cold_soft_krotov_is_krotov_hopfield_and_a_relative_push_vanishes(p, k):
    inputs, weights = drawn(200)
    clear = clearly_won(inputs, weights, p)
    for push, delta in (("absolute", 0.7), ("relative", 0.0)):
        cold = SoftKrotov(temperature=0.01, delta=0.7, k=k, p=p, push=push)
        hard = KrotovHopfield(delta=delta, k=k, p=p)
        assert torch.allclose(cold.update(clear, weights), hard.update(clear, weights), atol=1e-12)


@pytest.mark.parametrize(
    "rule",
    [
        SoftHebb(temperature=0.5, reduction="mean"),
        SoftHebb(temperature=0.5, reduction="mean", anti_hebbian=False),
        SoftKrotov(temperature=0.5, reduction="mean", delta=0.05),
        SoftKrotov(temperature=0.5, reduction="mean", delta=0.05, push="relative", p=3.0, k=4),
    ],
)
def test_units_settle_at_norm_one_along_what_they_learn(rule):
    noise, _ = drawn(60)
    inputs = torch.eye(12, dtype=torch.float64)[torch.arange(60) % 6] * 3 + 0.3 * noise
    weights = inputs[:6] / 2
    for _ in range(1500):
        weights = weights + 0.05 * rule.update(inputs, weights)
    hebbian, pull, _ = rule.statistics(inputs, weights)
    assert (pull > 1).all()
    norms = weights.abs().pow(rule.norm).sum(1).pow(1 / rule.norm)
    assert torch.allclose(norms, torch.ones(6).double(), atol=1e-6)
    assert float(torch.nn.functional.cosine_similarity(weights, hebbian).min()) > 1 - 1e-6


def test_a_unit_that_unlearns_more_than_it_learns_leaves_norm_one():
    """The norm's slope has the sign of Σ s u (1 - norm): warmth turns it round for most units."""
    inputs, weights = drawn(200, positive=True)
    weights = weights / weights.norm(dim=1, keepdim=True)
    for temperature, losing in ((0.01, 0), (10.0, 4)):
        rule = SoftHebb(temperature=temperature, reduction="sum")
        pull = rule.statistics(inputs, weights)[1]
        assert int((pull < 0).sum()) >= losing
        assert losing or not (pull < -1e-6).any()
        for scale in (1.2, 0.8):
            change = rule.update(inputs, scale * weights)
            slope = (change * weights).sum(1)
            scaled_pull = rule.statistics(inputs, scale * weights)[1]
            assert (slope * scaled_pull * (1 - scale) > -1e-6).all()


def test_when_all_learn_warmly_they_all_learn_the_same():
    inputs, weights = drawn(positive=True)
    rule = SoftHebb(temperature=10, anti_hebbian=False, reduction="mean")
    for _ in range(3000):
        weights = weights + 0.1 * rule.update(inputs, weights)
    assert metrics.near_duplicates(weights, 0.999) == 1.0
    mean = inputs.mean(0)
    assert float(torch.nn.functional.cosine_similarity(weights, mean[None]).min()) > 0.999


def test_large_responses_neither_overflow_nor_lose_the_winner():
    inputs, weights = drawn()
    for rule in (SoftHebb(temperature=0.01), SoftKrotov(temperature=0.01, p=4.0)):
        change = rule.update((1e15 * inputs).float(), weights.float())
        assert torch.isfinite(change).all()
        assert float(change.abs().max()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "knobs"),
    [
        (SoftHebb, {"temperature": 0.0}),
        (SoftHebb, {"temperature": 0.009}),
        (SoftHebb, {"temperature": 10.1}),
        (SoftHebb, {"anti_hebbian": 1}),
        (SoftHebb, {"reduction": "share"}),
        (SoftKrotov, {"k": 1}),
        (SoftKrotov, {"p": 1.0}),
        (SoftKrotov, {"delta": 2.1}),
        (SoftKrotov, {"push": "hard"}),
    ],
)
def test_what_the_mathematics_forbids_is_refused(kind, knobs):
    with pytest.raises(InvalidValue, match="must be "):
        kind(**knobs)


def test_a_rank_that_no_unit_has_is_refused():
    inputs, weights = drawn()
    with pytest.raises(InvalidValue, match="more than the 6 units"):
        SoftKrotov(k=7).update(inputs, weights)
    with pytest.raises(InvalidValue, match="layer 'hidden'; it goes from 2 to 6"):
        SoftKrotov(k=7).check_layer(6, "hidden")


def test_they_say_in_words_what_their_knobs_mean():
    """37 % is 1/e, what a softmax leaves a unit one temperature below another."""
    assert round(math.exp(-1), 2) == 0.37
    assert "0.25 less than another has 37 %" in SoftHebb(temperature=0.25).in_words()
    assert "all unlearn but the best" in SoftHebb().in_words()
    assert "all learn" in SoftHebb(anti_hebbian=False).in_words()
    assert "number 7 unlearns by 0.3." in SoftKrotov(k=7, delta=0.3).in_words()
    assert "by 0.3 times its share" in SoftKrotov(delta=0.3, push="relative").in_words()
    assert "nobody unlearns" in SoftKrotov(delta=0).in_words()


def converged(trained, p=2.0):
    return float(metrics.convergence(trained.weights, p).converged)


def test_softhebb_draws_digits_and_dies_when_it_is_warmed(train):
    run = train(SoftHebb(temperature=0.15), "uniform(0, 1)", 0.1).steps(420, decay=True)
    assert run.visible > 0.97
    assert run.entropy > 0.93
    assert converged(run) > 0.97
    rule = next(iter(run.trainer.rules.values()))
    rule.temperature = 2.0
    run.optimizer.param_groups[0]["lr"] = 0.01
    run.steps(120)
    assert run.visible < 0.1
    assert run.entropy < 0.2
    rule.temperature = 0.15
    run.steps(300)
    assert run.visible < 0.1, "the dead do not come back"


def test_a_warm_start_stays_noise_until_it_is_cooled(train):
    run = train(SoftHebb(temperature=1.0), "uniform(0, 0.2)", 0.01).steps(420)
    assert run.visible < 0.05
    assert converged(run) == 0
    next(iter(run.trainer.rules.values())).temperature = 0.15
    run.steps(600)
    assert run.visible > 0.95


@pytest.mark.parametrize("knobs", [{}, {"push": "relative"}, {"p": 3.0, "k": 7}])
def test_soft_krotov_draws_digits(train, knobs):
    run = train(SoftKrotov(**knobs), "uniform(0, 1)", 0.1).steps(420, decay=True)
    assert run.visible > 0.95
    assert run.entropy > 0.9
    assert converged(run, knobs.get("p", 2.0)) > 0.95


def test_soft_krotov_fails_when_it_is_warm(train):
    run = train(SoftKrotov(temperature=1.0), "uniform(0, 1)", 0.1).steps(420, decay=True)
    assert run.visible < 0.1
    assert run.entropy < 0.5


def test_a_knob_it_does_not_have_is_named():
    with pytest.raises(LookupError, match="Did you mean 'temperature'"):
        SoftHebb(temprature=0.2)
