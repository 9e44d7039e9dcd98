"""Answers that are not below zero: their conditions, what falls on the way, and their gradient."""

import numpy as np
import pytest
import torch

from hebblab.nn import RePU
from hebblab.nn.settling import settled
from tests.references.subspace import nonnegative


def drawn(units=6, samples=9, seed=0, symmetric=True):
    generator = torch.Generator().manual_seed(seed)
    drive = torch.randn(units, samples, generator=generator, dtype=torch.float64)
    rows = torch.rand(units, 3 * units, generator=generator, dtype=torch.float64)
    lateral = rows @ rows.T / units
    return drive, lateral if symmetric else lateral / lateral.diagonal()[:, None]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("units", "sweeps"), [(1, 1), (6, 1), (6, 10), (9, 3), (150, 3)])
def test_it_is_coordinate_descent(units, sweeps, symmetric):
    drive, lateral = drawn(units, symmetric=symmetric)
    expected = [nonnegative(d, lateral.numpy(), sweeps) for d in drive.T.numpy()]
    assert np.allclose(settled(drive, lateral, sweeps).T.numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("symmetric", [True, False])
def test_at_rest_the_conditions_hold(symmetric):
    """No unit below zero; what answers is balanced, what is silent would be pushed below zero."""
    drive, lateral = drawn(symmetric=symmetric)
    found = settled(drive, lateral, 2000)
    left = lateral @ found - drive
    assert (found >= 0).all() and (found > 0).any() and (found == 0).any()
    assert left[found > 0].abs().max() < 1e-9
    assert left[found == 0].min() > -1e-9


def test_every_sweep_lowers_what_is_minimised():
    drive, lateral = drawn()

    def cost(sweeps):
        y = settled(drive, lateral, sweeps)
        return float(((0.5 * lateral @ y - drive) * y).sum())

    costs = [cost(sweeps) for sweeps in (0, 1, 2, 5, 10, 100)]
    assert costs == sorted(costs, reverse=True)
    assert costs[4] - costs[5] < 0.02 * abs(costs[5]), "ten sweeps are nearly all of the way"


def test_alone_units_are_rectified():
    drive, _ = drawn()
    assert torch.equal(settled(drive, torch.eye(6).double()), drive.clamp_min(0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_dtype_and_arguments_are_kept(dtype):
    drive, lateral = (one.to(dtype) for one in drawn())
    before = drive.clone(), lateral.clone()
    found = settled(drive, lateral)
    assert found.dtype is dtype and found.shape == drive.shape
    assert torch.equal(drive, before[0]) and torch.equal(lateral, before[1])


def test_a_unit_that_inhibits_nobody_even_itself_stays_finite():
    drive = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    assert torch.allclose(settled(drive, torch.zeros(2, 2)), 1e6 * drive.clamp_min(0))


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_gradient_flows_through_the_units_that_answer(symmetric):
    drive, lateral = drawn(8, 5, seed=2, symmetric=symmetric)
    lateral += 3 * torch.eye(8)
    drive = drive.abs().requires_grad_()
    found = settled(drive, lateral, 400)
    assert found.requires_grad
    weights = torch.arange(1.0, 41).view(8, 5).double()
    (found * weights).sum().backward()
    assert (found > 0).sum(dim=0).max() > 2
    for sample in range(5):
        on = (found[:, sample] > 0).nonzero()[:, 0]
        expected = torch.zeros(8).double()
        expected[on] = torch.linalg.solve(lateral[on][:, on].T, weights[on, sample])
        assert torch.allclose(drive.grad[:, sample], expected, atol=1e-9)


class TestInAnActivation:
    def test_units_come_to_rest_before_anything_else_is_done(self):
        drive, lateral = drawn()
        unit = RePU(2.0)
        unit.lateral = lateral
        assert torch.allclose(unit(drive.T), settled(drive, lateral).T.square())
        unit.triangle = True
        rest = settled(drive, lateral).T
        assert torch.allclose(unit(drive.T), (rest - rest.mean(1, keepdim=True)).relu().square())

    @pytest.mark.parametrize("groups", [1, 2])
    def test_places_and_groups_have_their_own_rest(self, groups):
        drive, _ = drawn(6, 2 * 5 * 4)
        images = drive.view(6, 2, 5, 4).transpose(0, 1)
        parts = [drawn(6 // groups, seed=g)[1] for g in range(groups)]
        unit = RePU()
        unit.lateral = torch.cat(parts)
        found = unit(images)
        assert found.shape == images.shape
        for group, lateral in enumerate(parts):
            own = slice(group * len(lateral), (group + 1) * len(lateral))
            expected = settled(drive[own], lateral).view(-1, 2, 5, 4).transpose(0, 1)
            assert torch.allclose(found[:, own], expected)

    def test_a_state_dictionary_brings_it_and_takes_it(self):
        unit, other = RePU(), RePU()
        unit.lateral = drawn()[1]
        assert set(unit.state_dict()) == {"lateral"} and not other.state_dict()
        other.load_state_dict(unit.state_dict())
        assert torch.equal(other.lateral, unit.lateral.to(other.lateral))
        other.load_state_dict({})
        assert other.lateral is None
        both = RePU()
        both.lateral, both.thresholds = drawn()[1], torch.ones(6)
        other.load_state_dict(both.state_dict())
        assert other.thresholds.equal(torch.ones(6)) and other.lateral is not None
        other.load_state_dict(unit.state_dict())
        assert other.thresholds is None and other.lateral is not None
