import itertools

import numpy as np
import pytest

from hebblab.dashboard.scales import SteadyBound, robust_bound, rung


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.1, (100, 784)).astype(np.float32)


def test_the_shared_scale_is_read_from_units_that_win(weights):
    weights = weights.copy()
    weights[7] *= 100
    winning = np.ones(100, bool)
    winning[7] = False
    assert robust_bound(weights, winning) == pytest.approx(0.257, rel=0.05)
    alone = robust_bound(weights[winning])
    assert robust_bound(weights, winning) == pytest.approx(alone, rel=0.02)
    nobody = robust_bound(weights, np.zeros(100, bool))
    assert nobody == robust_bound(weights)


def test_a_sample_of_a_large_layer_has_the_same_bound():
    large = np.random.default_rng(1).normal(0, 0.1, (2000, 784)).astype(np.float32)
    exact = np.quantile(np.abs(large), 0.99)
    assert robust_bound(large) == pytest.approx(exact, rel=0.03)


def test_the_bound_does_not_breathe():
    rng = np.random.default_rng(0)
    for level in (0.001, 0.1, 0.149, 0.151, 0.22, 3, 100):
        bound = SteadyBound()
        first = bound(level)
        seen = {bound(level * factor) for factor in rng.uniform(0.85, 1.04, 300)}
        assert seen == {first}
        assert level <= first * 1.0001


def test_the_bound_follows_what_really_changes():
    bound = SteadyBound()
    bound(0.2)
    assert bound(0.05) < 0.07
    assert bound(2.0) >= 2.0
    assert SteadyBound()(0.0) == 1.0


def test_rungs_are_round_and_about_a_fifth_apart():
    rungs = [rung(1.0)]
    while rungs[-1] < 1000:
        rungs.append(rung(rungs[-1] * 1.001))
    ratios = [b / a for a, b in itertools.pairwise(rungs)]
    assert 1.15 < min(ratios) <= max(ratios) < 1.3
    assert rung(float("nan")) == 1.0
