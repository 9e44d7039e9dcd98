"""What the winner rules settle at, and the traps of their reductions and their silence."""

import pytest
import torch

from hebblab import InvalidValue, metrics, rules
from hebblab.nn import LayerView
from hebblab.rules import HardWTA, ProportionalWTA, SoftWTA


def drawn(samples=30, fan_in=6, units=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(samples, fan_in, generator=generator, dtype=torch.float64)
    return inputs, torch.rand(units, fan_in, generator=generator, dtype=torch.float64)


def test_where_they_start():
    assert (HardWTA.initial_weights, HardWTA.learning_rate) == ("uniform(0, 1)", 0.1)
    assert (SoftWTA.initial_weights, SoftWTA.learning_rate) == ("uniform(0, 1)", 0.2)
    assert HardWTA.starting_options == {"thresholds": True}, "cosine alone spreads no wins"
    for name in ("hard-wta", "soft-wta"):
        rule = rules.create(name)
        assert (rule.similarity, rule.reduction, rule.norm) == ("cosine", "share", None)
    assert SoftWTA().temperature == 0.02


def test_a_unit_settles_at_the_mean_of_what_it_wins():
    inputs, weights = drawn()
    rule = HardWTA(similarity="distance")
    for _ in range(50):
        weights += rule.update(inputs, weights)
    nearest = torch.cdist(inputs, weights).argmin(1)
    for unit in nearest.unique():
        assert torch.allclose(weights[unit], inputs[nearest == unit].mean(0))


def test_under_share_one_image_moves_a_unit_as_far_as_all():
    inputs, weights = drawn(units=1)
    same = inputs[:1].repeat(30, 1)
    for reduction, alike in (("share", True), ("share2", True), ("sum", False)):
        rule = HardWTA(reduction=reduction)
        one, many = rule.update(same[:1], weights), rule.update(same, weights)
        assert torch.allclose(one, many) is alike


def test_a_unit_whose_share_is_below_the_floor_stays():
    inputs = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    for temperature, moves in ((1 / 20, True), (1 / 60, False)):  # r = 2e-9 and 9e-27
        change = SoftWTA(temperature=temperature).update(inputs, weights)
        expected = inputs - weights if moves else (inputs - weights) * torch.tensor([[1.0], [0]])
        assert torch.allclose(change, expected, atol=1e-8)


@pytest.mark.parametrize("similarity", ["dot", "cosine", "raised-cosine", "distance"])
def test_a_cold_softmax_is_a_hard_winner(similarity):
    inputs, weights = drawn()
    for reduction in ("mean", "sum"):
        scores = HardWTA(similarity=similarity).ranking(inputs, weights)
        best = scores.topk(2, dim=1).values
        clear = (best[:, 0] - best[:, 1]) > 0.05  # where T = 0.001 leaves no doubt
        assert int(clear.sum()) > 5
        soft = SoftWTA(temperature=1e-3, similarity=similarity, reduction=reduction)
        hard = HardWTA(similarity=similarity, reduction=reduction)
        changes = [rule.update(inputs[clear], weights) for rule in (soft, hard)]
        assert torch.allclose(*changes, atol=1e-9)


def test_under_share_a_cold_softmax_is_no_hard_winner():
    """A unit that wins nothing takes a full step all the same."""
    inputs = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0], [0.99, 0.15]], dtype=torch.float64)
    soft = SoftWTA(temperature=1e-3).update(inputs, weights)
    assert torch.allclose(soft, inputs - weights, atol=1e-4)
    assert not HardWTA().update(inputs, weights)[1].any()


def test_a_hot_softmax_takes_every_unit_to_the_mean():
    inputs, weights = drawn()
    rule = SoftWTA(temperature=100)
    for _ in range(10):
        weights += rule.update(inputs, weights)
    assert torch.allclose(weights, inputs.mean(0).expand(5, -1), atol=1e-3)


def test_softmax_is_stable_where_scores_are_large():
    inputs, weights = drawn()
    rule = SoftWTA(similarity="dot", temperature=1e-3)
    assert torch.isfinite(rule.update(inputs.float() * 1e6, weights.float())).all()
    assert torch.allclose(rule.shares(inputs * 1e6, weights).sum(1), torch.ones(30).double())


def test_cosine_is_exact_however_small_the_vectors():
    inputs, weights = drawn()
    for similarity in ("cosine", "raised-cosine"):
        rule = SoftWTA(similarity=similarity)
        shares = rule.shares(inputs, weights)
        assert torch.allclose(rule.shares(inputs * 1e-20, weights * 1e-15), shares)
        assert torch.allclose(rule.shares(inputs * 1e20, weights * 1e15), shares)


def test_the_cosine_of_a_row_without_length_is_zero():
    inputs, weights = drawn()
    weights[2] = 0
    scores = HardWTA().ranking(inputs, weights)
    assert not scores[:, 2].any()
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("similarity", ["dot", "cosine", "raised-cosine", "distance"])
def test_a_blank_sample_has_no_winner(similarity):
    """Else unit 0, lowest of the tied, would be pulled to zero for ever."""
    inputs, weights = drawn()
    blank = torch.cat((inputs, torch.zeros(200, 6, dtype=torch.float64)))
    for kind in (HardWTA, SoftWTA, ProportionalWTA):
        rule = kind(similarity=similarity)
        assert torch.allclose(rule.update(blank, weights), rule.update(inputs, weights))
        assert not rule.update(blank[30:], weights).any()


def test_blank_patches_kill_no_unit(digits):
    generator = torch.Generator().manual_seed(5)
    layer = torch.nn.Conv2d(1, 64, 5, bias=False)
    patches = LayerView(layer).inputs(digits.train.pixels[:40].float() / 255)
    blank = float((patches == 0).all(1).float().mean())
    assert 0.3 < blank < 0.5
    for similarity in ("dot", "cosine"):
        weights = torch.rand(64, 25, generator=generator)
        for _ in range(100):
            weights += 0.1 * HardWTA(similarity=similarity).update(patches[:4000], weights)
        assert float(weights.norm(dim=1).min()) > 0.2


def test_k_winners_share_an_image():
    inputs, weights = drawn()
    assert (HardWTA(k=3).shares(inputs, weights).sum(1) == 3).all()
    with pytest.raises(InvalidValue, match="more than the 5 units"):
        HardWTA(k=6).update(inputs, weights)


def test_a_teacher_decides_who_may_learn():
    inputs, weights = drawn()
    targets = torch.zeros(30, 5, dtype=torch.float64)
    targets[:, 1] = 1
    for rule in (HardWTA(), SoftWTA(), ProportionalWTA()):
        change = rule.change(rule.statistics(inputs, weights, targets), weights)
        assert not change[[0, 2, 3, 4]].any()
        same = rule.statistics(inputs, weights, torch.ones_like(targets))
        assert torch.allclose(rule.change(same, weights), rule.update(inputs, weights))


def test_units_of_another_class_win_nothing_where_all_of_an_own_one_answer_below_zero():
    inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    weights = torch.tensor([[-1.0, 0.0], [0.0, -2.0], [-2.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    rule = HardWTA(similarity="dot", reduction="sum")
    change = rule.change(rule.statistics(inputs, weights, targets), weights)
    assert torch.equal(change, torch.tensor([[0.0, 0.0], [0.0, 0.0], [2.0, 0.0]]))


def test_digits_appear_with_a_large_start_and_dot_and_softly_with_cosine(train):
    hard = train(HardWTA(similarity="dot"), "uniform(0, 1)", 0.1).steps(420, decay=True)
    assert hard.visible > 0.9
    soft = train(SoftWTA(), "uniform(0, 1)", 0.2).steps(420, decay=True)
    assert soft.visible > 0.95
    assert soft.entropy > 0.85


def test_a_mean_over_all_images_is_too_small_a_step(train):
    lazy = train(HardWTA(similarity="dot", reduction="mean"), "uniform(0, 1)", 0.1)
    assert lazy.steps(210).visible < 0.1


def test_proportional_shares_are_scores_to_a_power_by_their_sum():
    inputs, weights = drawn()
    assert (ProportionalWTA().similarity, ProportionalWTA().reduction) == ("dot", "share")
    for exponent in (0.5, 1.0, 3.0):
        powers = (inputs @ weights.T) ** exponent
        shares = ProportionalWTA(exponent=exponent).shares(inputs, weights)
        assert torch.allclose(shares, powers / powers.sum(1, keepdim=True))


def test_proportional_shares_of_negative_scores_are_none():
    inputs, weights = drawn()
    weights[:2] *= -1
    shares = ProportionalWTA().shares(inputs, weights)
    assert not shares[:, :2].any()
    assert torch.allclose(shares.sum(1), torch.ones(30).double())
    rule = ProportionalWTA()
    assert not rule.update(-inputs, weights.abs()).any(), "nobody wins, and nothing is divided by 0"


def test_a_large_exponent_is_one_winner_and_overflows_nowhere():
    inputs, weights = drawn(200)
    scores = inputs @ weights.T
    best = scores.topk(2, dim=1).values
    clear = best[:, 0] > 1.2 * best[:, 1]
    assert int(clear.sum()) > 5
    hard = HardWTA(similarity="dot").shares(inputs[clear], weights)
    soft = ProportionalWTA(exponent=100)
    assert torch.allclose(soft.shares(inputs[clear], weights), hard, atol=1e-7)
    large = soft.shares(1e10 * inputs.float(), 1e10 * weights.float())
    assert torch.allclose(large, soft.shares(inputs, weights).float(), atol=1e-4)


def test_scores_whose_powers_sum_to_less_than_the_floor_share_less_than_one():
    inputs, weights = drawn()
    shares = ProportionalWTA(exponent=20, similarity="cosine").shares(inputs, weights)
    assert torch.allclose(shares.sum(1), torch.ones(30).double())
    rule = ProportionalWTA(exponent=20)
    total = ((1e-2 * inputs) @ weights.T).pow(20).sum(1)
    assert float(total.max()) < 1e-12
    assert torch.allclose(rule.shares(1e-2 * inputs, weights).sum(1), total / 1e-12)


def test_in_plain_proportion_every_unit_becomes_the_mean_image(train):
    run = train(ProportionalWTA(), "uniform(0, 1)", 0.1).steps(210)
    mean = run.digits.train.pixels.float().mean(0).flatten()[None]
    assert float(torch.nn.functional.cosine_similarity(run.weights, mean).min()) > 0.999
    assert metrics.near_duplicates(run.weights, 0.999) == 1.0
    assert run.entropy < 0.5


def test_a_sharp_proportion_of_cosines_draws_digits(train):
    run = train(ProportionalWTA(exponent=50, similarity="cosine"), "uniform(0, 1)", 0.1)
    run.steps(420, decay=True)
    assert run.visible > 0.95
    assert metrics.near_duplicates(run.weights, 0.999) < 0.1
    assert run.entropy > 0.8
