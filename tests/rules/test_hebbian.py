"""What hebb, instar and oja settle at, and what they do where nothing holds them."""

import numpy as np
import pytest
import torch

from hebblab import InvalidValue, metrics, rules
from hebblab.data import mean_image
from hebblab.errors import Diverged, NotFinite
from hebblab.rules import Hebb, Instar, Oja
from hebblab.training import LayerOptions
from tests.references.rules import leading_direction


def drawn(samples=60, fan_in=8, units=5, seed=0, spread=True):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    if spread:
        inputs *= torch.linspace(2, 0.3, fan_in, dtype=torch.float64)
    return inputs, torch.randn(units, fan_in, generator=generator, dtype=torch.float64)


def settle(rule, inputs, weights, rate, steps, unit_rows=False):
    weights = weights.clone()
    for _ in range(steps):
        weights += rate * rule.update(inputs, weights)
        if unit_rows:
            weights /= weights.norm(dim=1, keepdim=True)
    return weights


def alignment(weights, direction):
    rows = weights.numpy() / np.linalg.norm(weights.numpy(), axis=1, keepdims=True)
    return np.abs(rows @ direction)


@pytest.mark.parametrize("name", ["hebb", "oja"])
def test_where_hebb_and_oja_start(name):
    rule = rules.create(name)
    assert rule.initial_weights == "normal(0, 0.02)"
    assert rule.learning_rate == 0.01
    assert rule.competition == "none"


def test_which_norms_are_held():
    assert Oja().norm == 2.0
    assert Hebb().norm is None
    assert Instar().norm is None
    assert Hebb.row_norm
    assert not Oja.row_norm


class TestHebb:
    def test_grows_along_the_leading_direction_at_its_rate(self):
        inputs, weights = drawn()
        direction, value = leading_direction(inputs.numpy())
        grown = settle(Hebb(), inputs, weights, 0.1, 200)
        assert alignment(grown, direction).min() > 0.9999
        again = settle(Hebb(), inputs, grown, 0.1, 1)
        factor = (again.norm(dim=1) / grown.norm(dim=1)).numpy()
        assert factor == pytest.approx(np.full(5, 1 + 0.1 * value), rel=1e-6)

    def test_with_unit_rows_is_the_limit_of_oja(self):
        inputs, weights = drawn()
        by_power = settle(Hebb(), inputs, weights, 0.1, 400, unit_rows=True)
        by_oja = settle(Oja(), inputs, weights * 0.1, 0.05, 800)
        assert torch.allclose(by_power.abs(), by_oja.abs(), atol=1e-4)

    def test_weight_decay_alone_shrinks_every_weight_by_its_share(self):
        inputs, weights = drawn()
        for reduction in ("mean", "sum", "max", "share"):
            change = Hebb(weight_decay=0.25, reduction=reduction).update(inputs * 0, weights)
            assert torch.allclose(change, -0.25 * weights)

    def test_leaves_the_finite_numbers_and_the_last_finite_weights_stay(self, train):
        run = train(Hebb(), "normal(0, 0.02)", 0.1)
        with pytest.raises(Diverged, match=r"layer 'hidden'.*Lower the learning rate"):
            run.steps(420)
        assert 20 < run.trainer.state.iteration < 90
        assert torch.isfinite(run.weights).all()
        assert float(run.weights.abs().max()) > 1e20

    def test_with_unit_rows_stays_finite(self, train):
        run = train(Hebb(), "normal(0, 0.02)", 0.1, options=LayerOptions(row_norm=True)).steps(60)
        assert metrics.norms(run.weights, 2.0).numpy() == pytest.approx(np.ones(100), abs=1e-5)


class TestInstar:
    def test_settles_at_the_means_of_clusters(self):
        generator = torch.Generator().manual_seed(0)
        centres = 4 * torch.eye(5, 10, dtype=torch.float64)
        noise = 0.3 * torch.randn(5, 200, 10, generator=generator, dtype=torch.float64)
        inputs = (centres[:, None] + noise).flatten(0, 1)
        start = centres + 0.5 * torch.randn(5, 10, generator=generator, dtype=torch.float64)
        for similarity in ("distance", "cosine"):
            settled = settle(Instar(similarity=similarity), inputs, start, 1.0, 60)
            means = (centres[:, None] + noise).mean(1)
            assert float((settled - means).norm(dim=1).max()) < 1e-4

    def test_softly_settles_at_the_weighted_mean(self):
        inputs, weights = drawn()
        rule = Instar(competition="softmax", temperature=0.5)
        settled = settle(rule, inputs, weights, 1.0, 600)
        shares = torch.softmax(inputs @ settled.T / 0.5, dim=1)
        means = (shares.T @ inputs) / shares.sum(0)[:, None]
        assert torch.allclose(settled, means, atol=1e-6)

    def test_overshoots_beyond_rate_one_and_diverges_beyond_two(self):
        inputs = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
        start = torch.tensor([[5.0, 5.0]], dtype=torch.float64)
        rule = Instar(competition="softmax")  # one unit answers with 1
        assert torch.allclose(settle(rule, inputs, start, 1.0, 1), inputs)
        assert torch.allclose(settle(rule, inputs, start, 1.9, 200), inputs, atol=1e-6)
        assert float(settle(rule, inputs, start, 2.1, 200).abs().max()) > 1e6

    def test_never_pushes_away(self):
        """A negative answer would drive its unit off without end."""
        with pytest.raises(InvalidValue, match="must be one of hard"):
            Instar(competition="none")
        inputs, weights = drawn()
        for competition in ("hard", "graded", "softmax", "proportional", "relu"):
            rule = Instar(competition=competition, k=5, reduction="sum")
            pull = rule.statistics(inputs, weights)[1]
            assert (pull >= 0).all()
        assert Instar().competition == "hard"


class TestOja:
    def test_one_unit_finds_the_leading_direction_at_length_one(self):
        inputs, weights = drawn(units=1)
        direction, value = leading_direction(inputs.numpy())
        settled = settle(Oja(), inputs, weights * 0.1, 0.2 / value, 400)
        assert alignment(settled, direction)[0] > 0.99998
        assert float(settled.norm()) == pytest.approx(1, abs=1e-5)

    def test_all_units_find_the_same_direction(self):
        inputs, weights = drawn(units=4)
        direction, value = leading_direction(inputs.numpy())
        settled = settle(Oja(), inputs, weights * 0.1, 0.2 / value, 600)
        assert alignment(settled, direction).min() > 0.9999
        assert settled.norm(dim=1).numpy() == pytest.approx(np.ones(4), abs=1e-4)

    def test_is_stable_below_rate_times_eigenvalue_one(self):
        inputs, weights = drawn(units=1)
        _, value = leading_direction(inputs.numpy())
        start = 0.1 * weights / weights.norm()

        def norms(factor):
            settled = settle(Oja(), inputs, start, factor / value, 400)
            return float(settled.norm()), float(
                settle(Oja(), inputs, settled, factor / value, 1).norm()
            )

        assert norms(0.9) == pytest.approx((1, 1), abs=1e-4)
        assert sorted(norms(1.05)) == pytest.approx([0.87, 1.09], abs=0.01)

    def test_blows_up_beyond_twice_that(self):
        inputs, weights = drawn(units=1)
        _, value = leading_direction(inputs.numpy())
        with pytest.raises(NotFinite, match=r"The weights .* NaN or infinite"):
            settle(Oja(), inputs, weights * 0.1, 2.2 / value, 400)

    def test_with_hard_winners_is_instar(self):
        inputs, weights = drawn()
        for k in (1, 3):
            for reduction in ("mean", "sum", "max", "share"):
                knobs = {"competition": "hard", "k": k, "reduction": reduction}
                assert torch.allclose(
                    Oja(**knobs).update(inputs, weights), Instar(**knobs).update(inputs, weights)
                )

    def test_graded_forgets_by_the_square_of_what_was_let_through(self):
        inputs, weights = drawn()
        responses = inputs @ weights.T
        answers = torch.where(responses == responses.amax(1, keepdim=True), responses, 0.0)
        expected = answers.T @ inputs - answers.square().sum(0)[:, None] * weights
        found = Oja(competition="graded", reduction="sum").update(inputs, weights)
        assert torch.allclose(found, expected)

    def test_a_hundred_units_all_become_the_leading_component(self, digits, train):
        run = train(Oja(), "normal(0, 0.02)", 0.01, centre=mean_image(digits.train)).steps(420)
        seen = digits.train.pixels.flatten(1).double().numpy() / 255
        direction, _ = leading_direction(seen - seen.mean(0))
        assert alignment(run.weights.double(), direction).min() > 0.95
        assert metrics.norms(run.weights, 2.0).numpy() == pytest.approx(np.ones(100), abs=0.05)
        assert metrics.effective_rank(run.weights) < 1.6

    def test_cannot_start_from_large_rows(self, train):
        with pytest.raises(Diverged):
            train(Oja(), "uniform(0, 1)", 0.01).steps(30)
