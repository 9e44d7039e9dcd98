"""Masks and slowed steps, against their own definitions."""

import numpy as np
import pytest
import torch

from hebblab.rules import Rows
from hebblab.training.around import drawn_mask, slowed


def draw(share, shape=(40, 3, 4, 4), seed=0, dtype=torch.float32):
    weight = torch.zeros(shape, dtype=dtype)
    return drawn_mask(weight, share, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_about_the_share_of_connections_is_missing(share):
    mask = draw(share, (200, 100))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert 1 - float(mask.mean()) == pytest.approx(share, abs=0.02)


def test_it_follows_the_seed_alone_and_has_the_form_of_the_weights():
    before = torch.random.get_rng_state()
    one = draw(0.9, dtype=torch.float64)
    assert one.dtype == torch.float64 and one.shape == (40, 3, 4, 4)
    assert torch.equal(one, draw(0.9, dtype=torch.float64))
    assert not torch.equal(one, draw(0.9, seed=1, dtype=torch.float64))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("shape", [(50, 12), (50, 3, 2, 2)])
def test_no_unit_is_left_without_a_connection(shape):
    kept = draw(0.999, shape).flatten(1).sum(1)
    assert float(kept.min()) >= 1
    assert float(kept.mean()) < 1.5


@pytest.mark.parametrize(("p", "power"), [(2.0, 0.5), (3.0, 1.0), (2.0, 0.2)])
def test_a_step_is_slowed_as_the_norm_nears_one(p, power):
    generator = torch.Generator().manual_seed(0)
    change = torch.randn(6, 4, generator=generator)
    weights = torch.randn(6, 4, generator=generator)
    weights[0] /= weights[0].norm(p)
    weights[1] = 0
    rows = weights.double().numpy()
    norms = (abs(rows) ** p).sum(axis=1) ** (1 / p)
    expected = change.numpy() * ((abs(norms - 1) + 1e-10) ** power)[:, None]
    slow = slowed(change, weights, p, power)
    assert slow.dtype == torch.float32
    np.testing.assert_allclose(slow[1:].numpy(), expected[1:], rtol=1e-5)
    assert slow[0].abs().max() < 0.05 * change[0].abs().max(), "at norm 1 it hardly moves"
    some = slowed(Rows(torch.tensor([4, 2]), change[[4, 2]]), weights, p, power)
    assert isinstance(some, Rows) and some.values.dtype == torch.float32
    np.testing.assert_allclose(some.values.numpy(), expected[[4, 2]], rtol=1e-5)


def test_a_unit_of_norm_one_still_moves_by_the_root_of_a_hair():
    change = torch.ones(2, 2, dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(slowed(change, weights, 3.0, 0.5), 1e-5 * change)
