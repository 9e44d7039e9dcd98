"""Kohonen's map: what it settles at, how it unfolds, and how it folds when it begins narrow."""

import math

import numpy as np
import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue, metrics, rules
from hebblab.data import Batches, as_floats
from hebblab.nn import initial
from hebblab.rules import SOM, HardWTA


def drawn(samples=60, fan_in=5, units=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(samples, fan_in, generator=generator, dtype=torch.float64)
    return inputs, torch.rand(units, fan_in, generator=generator, dtype=torch.float64)


def unfolded(rule, inputs, weights, radius, steps=300, rate=0.3, seed=0):
    """Weights after so many batches under a radius that falls from one end to the other."""
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        rule.radius = radius[0] * (radius[1] / radius[0]) ** (step / steps)
        batch = inputs[torch.randint(len(inputs), (100,), generator=generator)]
        weights = weights + rate * rule.update(batch, weights)
    return weights


def ring(seed):
    generator = torch.Generator().manual_seed(seed)
    angles = torch.rand(1000, generator=generator) * 2 * math.pi
    return torch.stack((angles.cos(), angles.sin()), 1)


def against_the_order(chain, closed):
    """Steps along a chain of points that go round the other way than most."""
    angles = torch.atan2(chain[:, 1], chain[:, 0])
    turns = (angles.roll(-1) - angles + math.pi) % (2 * math.pi) - math.pi
    turns = turns if closed else turns[:-1]
    return int(min((turns > 0).sum(), (turns < 0).sum())), float(turns.sum() / (2 * math.pi))


def test_where_it_starts():
    rule = rules.create("som")
    assert (rule.initial_weights, rule.learning_rate) == ("uniform(0, 1)", 0.3)
    assert (rule.radius, rule.rows, rule.sheet) == (5.0, 0, "plane")
    assert (rule.neighbourhood, rule.similarity, rule.reduction) == (
        "gaussian",
        "distance",
        "share",
    )
    assert rule.norm is None
    assert not rule.bounded, "unit-norm rows may stand beside it"
    assert rule.ordered
    assert rule.winners_wanted() is None


@pytest.mark.parametrize(
    ("units", "sheet"),
    [(100, (10, 10)), (12, (3, 4)), (2000, (40, 50)), (7, (1, 7)), (1, (1, 1)), (96, (8, 12))],
)
def test_a_sheet_is_as_square_as_its_units_allow(units, sheet):
    assert SOM().sheet_of(units) == (*sheet, False)
    assert SOM(sheet="torus").sheet_of(units).closed


def test_rows_must_divide_the_units():
    assert SOM(rows=4).sheet_of(12) == (4, 3, False)
    assert SOM(rows=1, sheet="torus").sheet_of(12) == (1, 12, True)
    said = "rows = 5 does not divide the 12 units of layer 'hidden'.*the nearest that does is 4"
    with pytest.raises(InvalidValue, match=said):
        SOM(rows=5).check_layer(12, "hidden")
    with pytest.raises(InvalidValue, match="it goes from 0 to 12"):
        SOM(rows=24).check_layer(12, "hidden")
    SOM(rows=4).check_layer(12, "hidden")
    inputs, weights = drawn()
    before = weights.clone()
    with pytest.raises(InvalidValue, match="does not divide the 12 units"):
        SOM(rows=5).update(inputs, weights)
    assert torch.equal(weights, before)
    with pytest.raises(InvalidValue, match="rows must be a whole number"):
        SOM(rows=2.5)


def test_rows_cannot_change_while_a_map_unfolds():
    with hl.Session("mnist-krotov", rule="som") as session:
        with pytest.raises(InvalidValue, match="rows"):
            session.edit(rows=5)
        session.edit(radius=3.0)
        assert session.values()["radius"] == 3.0
    with pytest.raises(InvalidValue, match="rows = 7 does not divide the 100 units"):
        hl.Session("mnist-krotov", rule="som", rows=7)


def test_what_it_means_now_is_said_in_three_figures():
    assert SOM(radius=2.8944271909999157).in_words().startswith("A unit 2.89 places from")
    assert "up to 0.343 places" in SOM(radius=0.34321, neighbourhood="bubble").in_words()
    assert SOM(radius=5).in_words().startswith("A unit 5 places")


@pytest.mark.parametrize("radius", [0.4, 1.0, 3.0])
def test_on_a_whole_set_at_rate_one_it_is_the_batch_map(radius):
    inputs, weights = drawn()
    found = weights + SOM(radius=radius).update(inputs, weights)
    x, w = inputs.numpy(), weights.numpy()
    won = ((x[:, None] - w[None]) ** 2).sum(2).argmin(1)
    for unit in range(12):
        far = (won // 4 - unit // 4) ** 2 + (won % 4 - unit % 4) ** 2
        h = np.exp(-far / (2 * radius**2))
        assert np.allclose(found[unit], h @ x / h.sum(), atol=1e-12)


def test_a_trained_map_stands_still_under_a_constant_radius():
    inputs, weights = drawn(200)
    rule = SOM()
    weights = unfolded(rule, inputs, weights, (3, 1))
    for _ in range(60):
        weights = weights + rule.update(inputs, weights)
    assert float(rule.update(inputs, weights).abs().max()) < 1e-12


def test_a_very_wide_radius_takes_every_unit_to_the_mean():
    inputs, weights = drawn()
    rule = SOM(radius=50)
    for _ in range(3):
        weights = weights + rule.update(inputs, weights)
    assert float((weights - inputs.mean(0)).abs().max()) < 0.01


@pytest.mark.parametrize("neighbourhood", ["gaussian", "bubble"])
def test_a_very_narrow_radius_leaves_the_winner_alone(neighbourhood):
    inputs, weights = drawn()
    for reduction in ("share", "mean", "sum"):
        rule = SOM(radius=0.1, neighbourhood=neighbourhood, reduction=reduction)
        hard = HardWTA(similarity="distance", reduction=reduction)
        assert torch.allclose(rule.update(inputs, weights), hard.update(inputs, weights), atol=1e-8)


def test_under_share_a_narrow_radius_still_moves_those_who_never_win():
    """Order survives down to there: a small strength is divided by itself."""
    inputs, weights = drawn(units=100)
    for reduction, apart in (("share", 0.1), ("mean", 0)):
        found = SOM(radius=0.3, reduction=reduction).update(inputs, weights)
        hard = HardWTA(similarity="distance", reduction=reduction).update(inputs, weights)
        silent = ~hard.any(1)
        assert int(silent.sum()) > 20
        assert (float(found[silent].abs().mean()) > 0.1) is (apart > 0)


@pytest.mark.parametrize("neighbourhood", ["gaussian", "bubble"])
def test_on_a_torus_opposite_edges_are_neighbours(neighbourhood):
    """Unit 0 of 3 × 4 wins; in a plane the unit right of it hears of it, on a torus all round."""
    weights = torch.full((12, 2), 5.0, dtype=torch.float64)
    weights[0] = 0
    inputs = torch.tensor([[0.1, 0.0]], dtype=torch.float64)
    reach = {}
    for sheet in ("plane", "torus"):
        rule = SOM(radius=1, sheet=sheet, neighbourhood=neighbourhood, reduction="sum")
        strength = rule.statistics(inputs, weights)[1]
        reach[sheet] = {unit for unit in range(12) if strength[unit] > 0.6}
    assert reach["plane"] == {0, 1, 4}
    assert reach["torus"] == {0, 1, 3, 4, 8}


def test_one_closed_row_is_a_chain_that_bites_its_tail():
    weights = torch.full((6, 2), 5.0, dtype=torch.float64)
    weights[0] = 0
    inputs = torch.tensor([[0.1, 0.0]], dtype=torch.float64)
    for sheet, last in (("plane", math.exp(-12.5)), ("torus", math.exp(-0.5))):
        rule = SOM(radius=1, rows=1, sheet=sheet)
        assert float(rule.statistics(inputs, weights)[1][5]) == pytest.approx(last)


def test_a_bubble_ends_at_its_radius():
    weights = torch.full((9, 2), 5.0, dtype=torch.float64)
    weights[4] = 0
    inputs = torch.tensor([[0.1, 0.0]], dtype=torch.float64)
    for radius, reached in ((0.9, 1), (1.0, 5), (1.4, 5), (1.5, 9)):
        rule = SOM(radius=radius, neighbourhood="bubble")
        strength = rule.statistics(inputs, weights)[1]
        assert strength.tolist().count(1.0) == reached
        assert strength.tolist().count(0.0) == 9 - reached


@pytest.mark.parametrize("similarity", ["distance", "cosine", "dot"])
def test_a_blank_sample_has_no_winner(similarity):
    inputs, weights = drawn()
    rule = SOM(similarity=similarity)
    blank = torch.cat((inputs, torch.zeros(100, 5, dtype=torch.float64)))
    assert torch.allclose(rule.update(blank, weights), rule.update(inputs, weights))
    assert not rule.update(blank[60:], weights).any()


def test_of_equal_units_the_lowest_wins():
    inputs = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    strength = SOM(radius=0.1).statistics(inputs, inputs.repeat(9, 1))[1]
    assert strength.argmax() == 0


def test_an_edit_of_the_radius_counts_from_the_next_update():
    inputs, weights = drawn()
    rule = SOM(radius=5)
    before = rule.update(inputs, weights)
    rule.radius = 1.0
    assert torch.equal(rule.update(inputs, weights), SOM(radius=1).update(inputs, weights))
    rule.radius = 5.0
    assert torch.equal(rule.update(inputs, weights), before)


def test_it_says_in_words_what_the_radius_means():
    assert "3 places from the winner learns at 61 %" in SOM(radius=3).in_words()
    assert round(math.exp(-0.5), 2) == 0.61
    assert "Units up to 2 places" in SOM(radius=2, neighbourhood="bubble").in_words()


@pytest.mark.parametrize("closed", [True, False])
def test_a_chain_goes_once_round_a_ring_unless_it_begins_narrow(closed):
    folded = widened = 0
    for seed in range(6):
        inputs = ring(seed)
        start = 0.3 * torch.randn(12, 2, generator=torch.Generator().manual_seed(seed))
        rule = SOM(rows=1, sheet="torus" if closed else "plane")
        chain = unfolded(rule, inputs, start, (3, 0.5))
        wrong, winding = against_the_order(chain, closed)
        assert wrong == 0
        assert abs(winding) == pytest.approx(1, abs=1e-6 if closed else 0.15)
        assert float(chain.norm(dim=1).min()) > 0.85

        narrow = unfolded(rule, inputs, start, (0.5, 0.5))
        folded += against_the_order(narrow, closed)[0] > 0
        widened += against_the_order(unfolded(rule, inputs, narrow, (3, 0.5)), closed)[0] > 0
    assert folded >= 3
    assert widened == 0, "only a wide radius unfolds what a narrow one has folded"


def test_a_sheet_unfolds_over_a_square_and_folds_when_it_begins_narrow():
    errors = {5: [], 0.7: []}
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.rand(1000, 2, generator=generator)
        start = torch.rand(100, 2, generator=generator)
        for begin, found in errors.items():
            weights = unfolded(SOM(), inputs, start, (begin, 0.5), steps=200, seed=seed)
            found.append(metrics.topographic_error(inputs, weights, 10, 10))
    assert max(errors[5]) < 0.03
    assert sum(errors[0.7]) > 0.2


class OnDigits:
    def __init__(self, digits, rule, radius, seed, steps=420):
        generator = torch.Generator().manual_seed(seed)
        self.weights = torch.empty(100, 784)
        initial.draw_(self.weights, "uniform(0, 1)", generator)
        batches = Batches(digits.train, 100, generator)
        step = 0
        while step < steps:
            for inputs, _ in batches:
                rule.radius = radius[0] * (radius[1] / radius[0]) ** (step / steps)
                rate = 0.3 * max(1 / 6, 1 - step / steps)
                self.weights += rate * rule.update(inputs.flatten(1), self.weights)
                step += 1
        seen = as_floats(digits.validation).flatten(1)
        sheet = rule.sheet_of(100)
        self.topographic_error = metrics.topographic_error(seen, self.weights, *sheet)
        self.near, self.far = metrics.sheet_cosines(self.weights, *sheet)
        won = rule.ranking(seen, self.weights).argmax(1)
        one_hot = torch.nn.functional.one_hot(won, 100).float()
        self.entropy = metrics.activation_statistics(one_hot).win_entropy
        visible = metrics.visible(self.weights, digits.train.pixels)
        self.visible = float(visible.float().mean())


@pytest.mark.parametrize("seed", [501, 502, 503])
def test_digits_lie_in_order_after_a_radius_that_falls(digits, seed):
    found = OnDigits(digits, SOM(), (5, 0.5), seed)
    assert found.topographic_error < 0.15
    assert found.near - found.far > 0.25
    assert found.entropy > 0.9
    assert found.visible > 0.95


def test_a_radius_that_never_was_wide_makes_no_map(digits):
    found = OnDigits(digits, SOM(), (0.1, 0.1), 504)
    assert found.topographic_error > 0.7
    assert abs(found.near - found.far) < 0.05
    assert found.entropy < 0.7


def test_a_radius_that_stays_wide_makes_a_map_without_detail(digits):
    found = OnDigits(digits, SOM(), (5, 5), 505)
    assert found.topographic_error < 0.02
    assert found.near > 0.99
    assert found.entropy < 0.85
