"""Where others went wrong, one test each; those of one rule alone stand with that rule's tests."""

import pytest
import torch

from hebblab import InvalidValue, rules
from hebblab.rules import (
    HPCA,
    HardWTA,
    KrotovHopfield,
    OjaSubspace,
    ProportionalWTA,
    Sanger,
    SoftHebb,
    SoftKrotov,
    SoftWTA,
)
from tests.rules.facts import normal, settle, spread, uniform


@pytest.mark.parametrize("p", [4.0, 8.0])
def test_a_large_p_sends_small_weights_to_denormals_and_no_further(p):
    inputs, weights = uniform(20, 6).float(), 1e-6 * normal(5, 6, seed=1).float()
    for rule in (KrotovHopfield(p=p), SoftKrotov(p=p)):
        assert torch.isfinite(rule.update(inputs, weights)).all()
        assert torch.isfinite(rule.update(inputs, weights * 1e-30)).all()


def test_a_row_of_zeros_ties_all_units_and_topk_promises_no_order():
    """The second unit must be the first to be pushed, on every rank up to the last."""
    inputs = torch.tensor([[1.0, 0.0]])
    weights = torch.zeros(400, 2)
    weights[:, 1] = 1  # every response is exactly zero, of a sample that is not
    for k in (2, 3, 100, 400):
        change = KrotovHopfield(k=k, delta=0.5, reduction="sum").update(inputs, weights)
        assert change[0].tolist() == [1, 0]
        assert change[k - 1].tolist() == [-0.5, 0]
        assert int(change.any(dim=1).sum()) == 2


def test_with_k_one_the_winner_would_flee_the_data():
    for name in ("krotov-hopfield", "soft-krotov"):
        with pytest.raises(InvalidValue, match="k must be a whole number from 2"):
            rules.create(name, k=1)


def test_the_winner_and_the_kth_are_never_the_same():
    inputs, weights = normal(50, 6), normal(5, 6, seed=1)
    for k in (2, 3, 5):
        rule = SoftKrotov(k=k, delta=0.7, temperature=0.01)
        signs = rule.shares(inputs, rule.ranking(inputs, weights))
        assert (signs.amin(dim=1) == -0.7).all()
        assert (signs.amax(dim=1) > 0.2).all()


@pytest.mark.parametrize("name", ["krotov-hopfield", "soft-krotov", "hard-wta", "hebb", "instar"])
def test_more_winners_than_units_are_refused(name):
    inputs, weights = normal(5, 6), normal(4, 6, seed=1)
    knobs = {"competition": "hard"} if name in ("hebb", "instar") else {}
    rules.create(name, k=4, **knobs).update(inputs, weights)
    with pytest.raises(InvalidValue, match="k = 5 is more than the 4 units"):
        rules.create(name, k=5, **knobs).update(inputs, weights)


def test_plain_hebb_leaves_float32_along_the_leading_axis():
    inputs, _ = spread()
    weights, factor = normal(1, 8, seed=1).float(), 1 + 0.5 * 5.0
    rule, steps = rules.create("hebb"), 0
    while torch.isfinite(weights).all():
        weights = weights + 0.5 * rule.update(inputs.float(), weights)
        steps += 1
    expected = 88.7 / float(torch.log(torch.tensor(factor)))
    assert steps == pytest.approx(expected, abs=6)


@pytest.mark.parametrize("rule", [Sanger(), HPCA(), OjaSubspace()])
def test_rules_whose_units_read_each_other_take_no_competition(rule):
    assert not {"competition", "similarity", "k"} & set(rule.knobs())
    assert rule.bounded


def test_the_derivative_of_the_activation_is_not_in_hpca():
    inputs, weights = normal(20, 5), normal(1, 5, seed=1)
    response = torch.tanh(inputs @ weights.T)
    expected = (response * (inputs - response * weights)).mean(0, keepdim=True)
    assert torch.allclose(HPCA(activation="tanh").update(inputs, weights), expected)


def test_hpca_is_unstable_beyond_the_rate_that_its_leading_axis_allows():
    inputs, _ = spread()
    start = 0.3 * normal(4, 8, seed=1)
    calm = settle(HPCA(), inputs, start, 0.1, 300)
    assert float(calm.norm(dim=1).max()) < 1.2
    wild = settle(HPCA(), inputs, start, 1.2, 300)
    assert not torch.isfinite(wild).all() or float(wild.norm(dim=1).max()) > 1.5


def test_scores_that_are_all_negative_have_no_proportional_winner():
    inputs, weights = uniform(10, 5), -uniform(4, 5, seed=1)
    assert not ProportionalWTA(reduction="sum").update(inputs, weights).any()
    weights[1] *= -1
    change = ProportionalWTA(reduction="sum").update(inputs, weights)
    assert change.any(dim=1).tolist() == [False, True, False, False]


def test_a_softmax_without_the_largest_taken_off_would_overflow():
    inputs, weights = normal(10, 5).float(), normal(4, 5, seed=1).float()
    for rule in (
        SoftWTA(similarity="dot", temperature=1e-3),
        SoftHebb(temperature=1e-2),
        SoftKrotov(temperature=1e-2),
    ):
        assert torch.isfinite(rule.update(inputs * 1e4, weights)).all()


def test_under_share_a_unit_below_the_floor_stands_still():
    inputs = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    moved = SoftWTA(temperature=0.02, reduction="share").update(inputs, weights)[1].norm()
    assert float(moved) < 1e-8, "e^-50 is below the floor of 1e-12"
    moved = SoftWTA(temperature=0.05, reduction="share").update(inputs, weights)[1].norm()
    assert float(moved) == pytest.approx(2**0.5), "e^-20 is above it, and takes the whole step"


def test_a_warm_softhebb_unlearns_more_than_it_learns_and_its_norms_run_away():
    inputs = uniform(60, 12).pow(3)
    start = uniform(6, 12, seed=1)
    cold = settle(SoftHebb(temperature=0.05, reduction="mean"), inputs, start, 0.1, 300)
    assert float(cold.norm(dim=1).max()) < 1.6
    warm = settle(SoftHebb(temperature=10.0, reduction="mean"), inputs, start, 0.5, 2000)
    assert not torch.isfinite(warm).all() or float(warm.norm(dim=1).max()) > 10


def test_the_temperature_is_in_units_of_the_responses():
    inputs, weights = normal(20, 5), normal(6, 5, seed=1)
    for name in ("softhebb", "soft-krotov"):
        one = rules.create(name, temperature=0.5)
        ten = rules.create(name, temperature=5.0)
        shares = one.shares(inputs, one.ranking(inputs, weights))
        assert torch.allclose(ten.shares(inputs, ten.ranking(inputs, 10 * weights)), shares)


@pytest.mark.parametrize("name", ["softhebb", "soft-krotov", "soft-wta"])
def test_denormal_shares_change_nothing(name):
    inputs, weights = normal(20, 5).float(), normal(6, 5, seed=1).float()
    knobs = {"similarity": "dot"} if name == "soft-wta" else {}
    rule = rules.create(name, temperature=0.05, reduction="sum", **knobs)
    plain = rule.update(inputs, weights)
    torch.set_flush_denormal(True)
    try:
        flushed = rule.update(inputs, weights)
    finally:
        torch.set_flush_denormal(False)
    assert torch.allclose(plain, flushed, atol=1e-6 * float(plain.abs().max()))


def test_cosine_says_nothing_of_norms_so_that_nothing_spreads_the_wins():
    inputs, weights = uniform(50, 6), uniform(8, 6, seed=1)
    larger = weights * torch.linspace(1, 9, 8, dtype=torch.float64)[:, None]
    blind, seeing = HardWTA(similarity="cosine"), HardWTA(similarity="dot")
    assert torch.equal(blind.shares(inputs, weights), blind.shares(inputs, larger))
    assert seeing.shares(inputs, larger)[:, -1].sum() > seeing.shares(inputs, weights)[:, -1].sum()
