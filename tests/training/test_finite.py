"""A step is looked at before it is taken; on a device without waiting for each."""

import math

import pytest
import torch

from hebblab.training.finite import Watch

BAD = [float("nan"), float("inf"), -float("inf"), 1e35]


@pytest.mark.parametrize("bad", BAD)
def test_at_once_on_a_processor(bad):
    watch = Watch()
    assert watch.size(torch.zeros(0), 1.0) == 0
    assert watch.size(torch.tensor([0.5, -2.0]), 0.1) == pytest.approx(0.2)
    assert not watch.lost(watch.size(torch.tensor([1.0]), 0.1))
    assert watch.lost(watch.size(torch.tensor([1.0, bad]), 0.1))


@pytest.mark.parametrize("bad", BAD)
def test_deferred_it_holds_the_weights_and_tells_at_most_fifty_steps_late(bad):
    watch, weights, told = Watch(), torch.zeros(2), []
    for step in range(1, 101):
        change = torch.tensor([1.0, bad if step == 60 else 1.0])
        told.append(watch.deferred(change, 1.0))
        weights += change
    assert not any(watch.lost(size) for size in told[:99])
    assert watch.lost(told[99])
    assert math.isnan(told[99]) == math.isnan(bad)
    assert weights.tolist() == [59.0, 59.0]


def test_deferred_it_says_nothing_where_all_is_well():
    watch = Watch()
    for _ in range(120):
        change = torch.tensor([1.0, -3.0])
        assert not watch.lost(watch.deferred(change, 1.0))
        assert change.tolist() == [1.0, -3.0]
