"""What rules hold beside their knobs, lateral weights and thresholds, against a second reading."""

import numpy as np
import pytest
import torch
from torch import nn

from hebblab import InvalidValue, Local, rules
from hebblab.training import HebbianTrainer, LayerOptions
from tests.references import competition, subspace
from tests.references.patches import patches
from tests.rules.table import ROWS


def drawn(samples=12, fan_in=5, units=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    inputs[3] = 0
    return inputs, torch.randn(units, fan_in, generator=generator, dtype=torch.float64)


def near(found, expected, tolerance=1e-10):
    size = max(float(np.abs(expected).max()), 1e-300)
    return float(np.abs(found.double().numpy() - expected).max()) < tolerance * size


class TestLateralWeights:
    @pytest.mark.parametrize("tau", [0.05, 0.5, 1.0])
    @pytest.mark.parametrize("units", [1, 4, 9])
    def test_several_steps_are_those_of_the_second_reading(self, tau, units):
        rate = 0.02
        rule = rules.create("hebbian-anti-hebbian", tau=tau)
        _, weights = drawn(units=units)
        expected, lateral = weights.numpy().copy(), np.eye(units)
        for step in range(6):
            inputs, _ = drawn(seed=step)
            x = inputs.numpy()
            change = subspace.hebbian_anti_hebbian(x, expected, lateral)
            moved = subspace.moved_lateral(x, expected, lateral, rate, tau)
            statistics = rule.statistics(inputs, weights)
            found = rule.update(inputs, weights)
            assert near(found, change, 1e-9)
            weights = weights + rate * found
            rule.advance(statistics, rate)
            expected, lateral = expected + rate * change, moved
            assert near(rule.buffers["lateral"], lateral, 1e-9)
            assert near(rule.filters(weights), np.linalg.solve(lateral, expected), 1e-9)

    def test_they_stay_positive_definite_where_units_are_more_than_inputs(self):
        inputs, weights = drawn(units=12, fan_in=3)
        rule = rules.create("hebbian-anti-hebbian", tau=0.05)
        for _ in range(800):
            statistics = rule.statistics(inputs, weights)
            weights += 0.02 * rule.change(statistics, weights)
            rule.advance(statistics, 0.02)
        assert torch.isfinite(weights).all()
        assert torch.isfinite(rule.filters(weights)).all()
        assert float(torch.linalg.eigvalsh(rule.buffers["lateral"]).min()) > -1e-12

    def test_it_takes_no_row_competition_and_is_filed_as_holding_no_norm_of_its_weights(self):
        rule = rules.create("hebbian-anti-hebbian")
        assert "competition" not in rule.knobs()
        assert "k" not in rule.knobs()
        assert rule.norm is None

    @pytest.mark.parametrize("groups", [1, 2])
    def test_a_convolution_has_one_matrix_for_all_places_and_one_for_each_group(self, groups):
        layer = nn.Conv2d(2 * groups, 3 * groups, 2, groups=groups, bias=False, dtype=torch.float64)
        network = nn.Sequential(layer)
        rule = rules.create("hebbian-anti-hebbian")
        rate = 0.05
        trainer = HebbianTrainer(
            network, rule, Local(network.named_parameters(), lr=rate), None, initialize=False
        )
        kernels = layer.weight.detach().flatten(1).numpy().copy()
        lateral = [np.eye(3) for _ in range(groups)]
        generator = torch.Generator().manual_seed(1)
        for _ in range(4):
            images = torch.randn(3, 2 * groups, 4, 5, generator=generator, dtype=torch.float64)
            trainer.learn("0", images)
            for group in range(groups):
                own = slice(3 * group, 3 * group + 3)
                seen = patches(images.numpy(), (2, 2), (1, 1), (0, 0, 0, 0), (1, 1), groups, group)
                change = subspace.hebbian_anti_hebbian(seen, kernels[own], lateral[group])
                lateral[group] = subspace.moved_lateral(
                    seen, kernels[own], lateral[group], rate, rule.tau
                )
                kernels[own] += rate * change
        assert near(layer.weight.detach().flatten(1), kernels, 1e-9)


THRESHOLDED = [
    ("hard-wta", {}),
    ("hard-wta", {"k": 3, "similarity": "dot"}),
    ("hard-wta", {"k": 2, "similarity": "distance", "reduction": "mean"}),
    ("instar", {}),
    ("instar", {"competition": "graded", "k": 2}),
    ("hebb", {"competition": "hard", "k": 2, "similarity": "cosine"}),
    ("oja", {"competition": "graded", "k": 2}),
]


@pytest.mark.parametrize(("name", "knobs"), THRESHOLDED)
class TestThresholds:
    def test_they_are_subtracted_before_units_are_ranked(self, name, knobs):
        inputs, weights = drawn(units=6)
        generator = torch.Generator().manual_seed(7)
        thresholds = torch.randn(6, generator=generator, dtype=torch.float64)
        rule = rules.create(name, **knobs)
        plain = rule.update(inputs, weights)
        rule.homeostasis(thresholds, 0.5)
        found = rule.update(inputs, weights)
        expected = ROWS[name].read(inputs, weights, thresholds=thresholds.tolist(), **knobs)
        assert near(found, expected.numpy())
        assert not torch.allclose(found, plain)
        rule.homeostasis(None)
        assert torch.equal(rule.update(inputs, weights), plain)

    def test_whoever_is_left_with_nothing_does_not_win(self, name, knobs):
        inputs, weights = drawn(units=6)
        rule = rules.create(name, **knobs)
        rule.homeostasis(torch.full((6,), 1e6, dtype=torch.float64))
        assert not rule.update(inputs, weights).any()

    def test_they_move_by_how_often_units_fired_and_only_in_advance(self, name, knobs):
        inputs, weights = drawn(units=6)
        rule = rules.create(name, **knobs)
        held = torch.zeros(6, dtype=torch.float64)
        rule.homeostasis(held, 0.7)
        for _ in range(3):
            statistics = rule.statistics(inputs, weights)
            rule.update(inputs, weights)
            fired = np.zeros(6)
            for x in inputs.numpy():
                if np.any(x):
                    scores = [competition.score(x, w, rule.similarity) for w in weights.numpy()]
                    for unit in competition.winners(scores, rule.k, held.tolist()):
                        answer = competition.dot(weights[unit].numpy(), x)
                        graded = getattr(rule, "competition", "hard") == "graded"
                        lively = answer > 0 if name == "instar" else answer != 0
                        fired[unit] += lively if graded else 1
            expected = competition.moved_thresholds(held.tolist(), fired, 12, rule.k, 0.7)
            before = held.clone()
            rule.advance(statistics, 0.1)
            assert not torch.equal(held, before)
            assert near(held, np.array(expected))

    def test_pieces_count_who_fired_as_the_whole(self, name, knobs):
        inputs, weights = drawn(units=6)
        rule = rules.create(name, **knobs)
        rule.homeostasis(torch.zeros(6, dtype=torch.float64), 0.7)
        whole = rule.statistics(inputs, weights)
        parts = [rule.statistics(piece, weights) for piece in inputs.split([1, 4, 7])]
        for expected, found in zip(whole, map(sum, zip(*parts, strict=True)), strict=True):
            assert torch.allclose(found.double(), expected.double(), atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(ROWS) - {name for name, _ in THRESHOLDED}))
def test_a_rule_without_winners_takes_no_thresholds(name):
    with pytest.raises(InvalidValue, match=r"even out who wins.*or leave thresholds off"):
        rules.create(name).homeostasis(torch.zeros(4))


@pytest.mark.parametrize("even", [True, False])
def test_thresholds_even_out_who_wins(even):
    """Cosine is blind to norms, so that nothing else spreads the wins."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(20, 8, bias=False))
    trainer = HebbianTrainer(
        network,
        rules.create("hard-wta"),
        Local(network.named_parameters(), lr=0.05),
        None,
        options=LayerOptions(thresholds=even, threshold_rate=0.02),
    )
    inputs = torch.rand(400, 20, generator=generator).pow(4)
    inputs[:, :3] += 2
    wins = torch.zeros(8)
    for step in range(400):
        trainer.learn("0", inputs)
        if step >= 200:
            rule = trainer.learners["0"].rule
            wins += rule.shares(inputs, network[0].weight.detach()).sum(0)
    share = wins / wins.sum() * 8
    assert (float(share.min()) > 0.7 and float(share.max()) < 1.3) is even
