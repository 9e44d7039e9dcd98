"""The k best units by packed keys: those of a stable sort."""

import pytest
import torch

from hebblab.nn import Scratch
from hebblab.rules.competition import ranked, stable_order
from hebblab.rules.ranks import best


def scores(kind, samples, units):
    drawn = torch.randn(samples, units, generator=torch.Generator().manual_seed(units))
    if kind == "negative":
        return -drawn.abs() - 1
    if kind == "tied":
        return (2 * drawn).round() / 2
    if kind == "zero":
        zeros = torch.zeros(samples, units)
        zeros[::3] = -0.0
        zeros[1::3, units // 2] = -1.0
        zeros[2::3, 7:] = -0.0
        return zeros
    if kind == "tiny":
        return drawn * 1e-44
    if kind == "endless":
        drawn[::2, 5:9] = float("inf")
        drawn[1::2] = -float("inf")
        return drawn
    return drawn


@pytest.mark.parametrize("kind", ["plain", "negative", "tied", "zero", "tiny", "endless"])
@pytest.mark.parametrize("units", [400, 401, 1000])
@pytest.mark.parametrize("flushed", [False, True])
def test_they_are_those_of_a_stable_sort(kind, units, flushed):
    given = scores(kind, 300, units)
    order = stable_order(given)
    scratch = Scratch()
    torch.set_flush_denormal(flushed)
    try:
        if flushed and kind == "tiny":
            return
        for k in (1, 2, 7, units):
            chosen, values = best(given, k, scratch)
            assert torch.equal(chosen[:, 0], order[:, 0])
            assert torch.equal(chosen[:, -1], order[:, k - 1])
            assert torch.equal(chosen.sort(dim=1).values, order[:, :k].sort(dim=1).values)
            assert torch.equal(values, given.gather(1, chosen))
    finally:
        torch.set_flush_denormal(False)


def test_equal_units_in_other_blocks_are_found():
    given = torch.zeros(300, 400)
    given[:, [3, 43, 363, 399]] = 1.0
    for k in (2, 3, 4):
        chosen, _ = best(given, k, Scratch())
        assert torch.equal(chosen.sort(dim=1).values[0], torch.tensor([3, 43, 363, 399][:k]))


def test_a_sample_of_zeros_costs_no_sorting_and_the_others_are_right():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(300, 5, generator=generator)
    inputs[::2] = 0
    inputs[1] = torch.tensor([1.0, 0, 0, 0, 0])
    weights = torch.rand(400, 5, generator=generator)
    weights[:, 0] = 0
    given = inputs @ weights.T
    chosen, _ = best(given, 3, Scratch(), inputs)
    order = stable_order(given)
    assert torch.equal(chosen[1::2, 0], order[1::2, 0])
    assert torch.equal(chosen[1::2, 2], order[1::2, 2])
    assert chosen[1].tolist()[0] == 0


def test_keys_on_a_device_rank_without_a_look_at_ties(monkeypatch):
    from hebblab.rules import competition

    for kind in ("plain", "negative", "tied", "zero"):
        given = scores(kind, 50, 90)
        found = competition._ranked_by_keys(given, 4)
        assert torch.equal(found, stable_order(given)[:, :4])
        assert torch.equal(competition._ranked_by_keys(given.double(), 4), found)
        assert torch.equal(ranked(given, 4), found)


def test_double_scores_and_small_ones_are_ranked_as_ever():
    for given in (scores("tied", 300, 400).double(), scores("tied", 3, 9)):
        chosen, values = best(given, 3, Scratch())
        assert torch.equal(chosen, stable_order(given)[:, :3])
        assert torch.equal(values, given.gather(1, chosen))
