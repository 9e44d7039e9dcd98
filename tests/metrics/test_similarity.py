import math

import numpy as np
import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue
from tests.references import metrics as reference


def weights(units=9, fan_in=6, seed=0):
    return torch.randn(units, fan_in, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sign_blind", [False, True])
@pytest.mark.parametrize("units", [2, 9, 700])
def test_nearest_agrees_with_the_whole_table_of_cosines(units, sign_blind):
    w = weights(units) if units < 100 else weights(units, 3)
    found = metrics.nearest(w, sign_blind)
    if units < 100:
        unit, cosine = reference.nearest(w, sign_blind)
    else:
        rows = w.double() / w.double().norm(dim=1, keepdim=True)
        table = rows @ rows.T
        table = (table.abs() if sign_blind else table).fill_diagonal_(-math.inf).numpy()
        unit, cosine = table.argmax(1), table.max(1)
    np.testing.assert_allclose(found.cosine, cosine, atol=2e-6)
    same = found.unit.numpy() == unit
    assert same.mean() > 0.95
    assert (found.unit != torch.arange(units)).all()


def test_the_first_of_equally_near_units_is_named():
    assert metrics.nearest(torch.ones(4, 3)).unit.tolist() == [1, 0, 0, 0]


def test_a_unit_of_zeros_has_cosine_zero_with_every_other():
    w = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    found = metrics.nearest(w)
    assert found.cosine.tolist() == pytest.approx([math.sqrt(0.5), 0.0, math.sqrt(0.5)])


def test_one_unit_has_no_neighbour():
    found = metrics.nearest(torch.ones(1, 3))
    assert (found.unit.tolist(), found.cosine.tolist()) == ([-1], [0.0])
    assert metrics.likeness(torch.ones(1, 3)) == 0.0
    assert metrics.near_duplicates(torch.ones(1, 3)) == 0.0


def test_likeness_is_the_mean_cosine_to_the_nearest():
    w = weights()
    assert metrics.likeness(w) == pytest.approx(reference.nearest(w)[1].mean(), abs=1e-6)
    assert metrics.likeness(torch.ones(5, 3)) == pytest.approx(1.0)
    assert metrics.likeness(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-1.0)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_likeness_does_not_depend_on_length(scale):
    w = weights()
    w2 = w.clone()
    w2[3] *= scale
    assert metrics.likeness(w2) == pytest.approx(metrics.likeness(w), abs=1e-6)


def test_near_duplicates_counts_units_above_the_limit():
    w = torch.eye(4)
    w[1] = torch.tensor([1.0, 0.3, 0.0, 0.0])  # cosine .958 with unit 0
    assert metrics.near_duplicates(w) == 0.5
    assert metrics.near_duplicates(w, cosine=0.96) == 0.0


def test_opposite_units_are_duplicates_only_to_the_sign_blind():
    w = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    assert metrics.near_duplicates(w) == 0.0
    assert metrics.near_duplicates(w, sign_blind=True) == 1.0


@pytest.mark.parametrize("cosine", [1.1, -2, math.nan, True, "x"])
def test_an_impossible_limit_is_refused(cosine):
    with pytest.raises(InvalidValue, match="cosine must be"):
        metrics.near_duplicates(weights(), cosine)


@pytest.mark.parametrize("shape", [(5, 30), (30, 5), (12, 12), (1, 4), (4, 1)])
def test_effective_rank_agrees_with_the_singular_values(shape):
    w = weights(*shape)
    assert metrics.effective_rank(w) == pytest.approx(reference.effective_rank(w), rel=1e-9)


def test_effective_rank_of_copies_is_one_and_of_orthogonal_units_their_number():
    assert metrics.effective_rank(torch.rand(1, 50).expand(80, 50)) == pytest.approx(1, abs=1e-3)
    scaled = torch.diag(torch.tensor([1e-20, 1.0, 1e20, 5.0]))
    assert metrics.effective_rank(scaled) == pytest.approx(4)
    assert metrics.effective_rank(torch.zeros(3, 4)) == 0.0


def test_a_dead_unit_adds_no_rank():
    w = torch.zeros(3, 4)
    w[:2, :2] = torch.eye(2)
    assert metrics.effective_rank(w) == pytest.approx(2)


def test_turned_agrees_with_the_reference():
    before = weights(200, 5)
    after = before + 0.02 * weights(200, 5, seed=1)
    found = metrics.turned(before, after, degrees=1.0)
    assert found == pytest.approx(reference.turned(before, after, 1.0))
    assert 0 < found < 1


def test_growth_is_no_turning_and_the_angle_is_exact_when_small():
    before = torch.tensor([[1.0, 0.0]])
    assert metrics.turned(before, before * 1e20) == 1.0
    for angle, wanted in ((0.999, 1.0), (1.001, 0.0)):
        turn = math.radians(angle)
        after = torch.tensor([[math.cos(turn), math.sin(turn)]], dtype=torch.float64)
        assert metrics.turned(before, after) == wanted


def test_a_unit_that_dies_has_turned_and_one_that_stays_dead_has_not():
    zero, one = torch.zeros(1, 3), torch.ones(1, 3)
    assert metrics.turned(zero, zero) == 1.0
    assert metrics.turned(one, zero, degrees=180) == 0.0
    assert metrics.turned(zero, one, degrees=180) == 0.0


def test_turned_needs_the_same_units_and_a_possible_angle():
    with pytest.raises(InvalidValue, match="not the same units"):
        metrics.turned(weights(3), weights(4))
    with pytest.raises(InvalidValue, match="degrees must be"):
        metrics.turned(weights(), weights(), degrees=0)
